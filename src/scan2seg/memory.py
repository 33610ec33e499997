"""How much memory a job may take, and how it holds it."""

import gc
import os
from collections.abc import Iterator
from pathlib import Path

_VARIABLE, _KEY = "GLIBC_TUNABLES", "glibc.malloc.hugetlb"
JOB_MEMORY = "SCAN2SEG_JOB_MB"
"""The memory that the rule of this job asks for, in megabytes; set for the job and the processes that it starts."""
_MEGABYTE = 10**6


def available_memory(root: Path = Path("/")) -> int:
    """Return how many bytes this job may still take: the least of what all that bound it leave.

    They are the free memory of the machine, the control groups (version 1 and 2) around this process up to the
    outermost, Slurm's allocation, and ``mem_mb`` of the rule. The last two are less what the job holds already.

    Args:
        root: where ``proc`` and ``sys`` are.
    """
    import psutil

    bounds = [psutil.virtual_memory().available, *_cgroup_bounds(root)]
    job = [limit for limit in (_slurm_limit(), _rule_limit()) if limit]
    if job:
        bounds.append(min(job) - _held())
    return int(max(0, min(bounds)))


def set_job_memory(megabytes: object) -> None:
    """Note what the rule asks for; anything that is no positive number leaves the job unbounded."""
    if isinstance(megabytes, (int, float)) and megabytes > 0:
        os.environ[JOB_MEMORY] = str(int(megabytes))


def _rule_limit() -> int:
    return _number(os.environ.get(JOB_MEMORY)) * _MEGABYTE


def _slurm_limit() -> int:
    """Return Slurm's memory for this node in bytes, 0 where it sets none; Slurm's megabytes are 2**20 bytes."""
    whole = _number(os.environ.get("SLURM_MEM_PER_NODE"))
    cores = _number(os.environ.get("SLURM_CPUS_ON_NODE")) or _number(os.environ.get("SLURM_CPUS_PER_TASK"))
    return (whole or _number(os.environ.get("SLURM_MEM_PER_CPU")) * max(cores, 1)) * 2**20


def _cgroup_bounds(root: Path) -> Iterator[int]:
    """Yield what each control group around this process leaves, in bytes; a limit of an outer group holds as well."""
    try:
        lines = (root / "proc/self/cgroup").read_text("ascii").splitlines()
    except (OSError, ValueError):
        return
    for line in lines:
        _, controllers, name = [*line.split(":", 2), "", ""][:3]
        if controllers == "":
            base, limit, used, cache = root / "sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"
        elif "memory" in controllers.split(","):
            base = root / "sys/fs/cgroup/memory"
            limit, used, cache = "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"
        else:
            continue
        group = base / name.strip("/")
        # a container may see its own group as the root, under another name
        for folder in (group, *group.parents):
            yield from _left(folder, limit, used, cache)
            if folder == base:
                break


def _left(folder: Path, limit: str, used: str, cache: str) -> Iterator[int]:
    try:
        most, taken = (folder / limit).read_text("ascii").strip(), int((folder / used).read_text("ascii"))
        statistics = dict(line.split() for line in (folder / "memory.stat").read_text("ascii").splitlines())
    except (OSError, ValueError):
        return
    # version 1 writes a number near 2**63 for no limit; pages of files that nobody uses are given back when needed
    if most.isdigit() and int(most) < 2**60:
        yield int(most) - taken + _number(statistics.get(cache))


def _held() -> int:
    """Return the bytes that this process and those that it started hold."""
    import psutil

    process = psutil.Process()
    total = 0
    for part in (process, *process.children(recursive=True)):
        try:
            total += part.memory_info().rss
        except psutil.Error:
            continue
    return total


def _number(text: str | None) -> int:
    return int(text) if text and text.isdigit() else 0


def collect_rarely() -> None:
    """Look for circular garbage after 100,000 new objects, not after 700.

    What Snakemake reads and the graph of jobs are millions of objects that stay, and each look goes over all of them.
    """
    gc.freeze()
    gc.set_threshold(100_000)


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
