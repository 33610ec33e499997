"""How the jobs hold their memory."""

import os

_VARIABLE, _KEY = "GLIBC_TUNABLES", "glibc.malloc.hugetlb"


def use_huge_pages() -> None:
    """Let the programs that start from here keep large arrays in huge pages where the kernel leaves that to programs.

    A network that trains on a CPU takes and gives back tens of megabytes at every layer; in pages of 4 kB the kernel
    spends a good part of the time handing them out (docs/performance.md). glibc reads the setting when a program
    starts, so this process itself stays as it is; without glibc 2.35 or later nothing happens. What the user has in
    GLIBC_TUNABLES is kept, and their own word on huge pages is the last.
    """
    given = os.environ.get(_VARIABLE, "")
    if _KEY not in given:
        os.environ[_VARIABLE] = ":".join(part for part in (given, f"{_KEY}=1") if part)
