import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from scan2seg.memory import use_huge_pages

KERNEL = Path("/sys/kernel/mm/transparent_hugepage/enabled")
HOLD = """
import re
held = bytearray(64 << 20)
held[::4096] = bytes([1]) * (len(held) // 4096)
print(re.search(r"AnonHugePages: +(\\d+)", open("/proc/self/smaps_rollup").read())[1])
"""


def test_settings_of_the_user_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GLIBC_TUNABLES", raising=False)
    use_huge_pages()
    use_huge_pages()
    assert os.environ["GLIBC_TUNABLES"] == "glibc.malloc.hugetlb=1"
    monkeypatch.setenv("GLIBC_TUNABLES", "glibc.malloc.arena_max=2")
    use_huge_pages()
    assert os.environ["GLIBC_TUNABLES"] == "glibc.malloc.arena_max=2:glibc.malloc.hugetlb=1"
    monkeypatch.setenv("GLIBC_TUNABLES", "glibc.malloc.hugetlb=0")
    use_huge_pages()
    assert os.environ["GLIBC_TUNABLES"] == "glibc.malloc.hugetlb=0"


@pytest.mark.skipif(
    not KERNEL.exists() or "[madvise]" not in KERNEL.read_text(),
    reason="the kernel does not leave huge pages to programs",
)
@pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc" or tuple(map(int, platform.libc_ver()[1].split("."))) < (2, 35),
    reason="glibc 2.35 or later knows the setting",
)
def test_a_program_started_afterwards_has_huge_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    def kilobytes() -> int:
        return int(subprocess.run([sys.executable, "-c", HOLD], check=True, capture_output=True, text=True).stdout)

    monkeypatch.setenv("GLIBC_TUNABLES", "glibc.malloc.hugetlb=0")
    assert kilobytes() < 8 << 10
    monkeypatch.delenv("GLIBC_TUNABLES")
    use_huge_pages()
    assert kilobytes() > 32 << 10
