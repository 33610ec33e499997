import os
import platform
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from scan2seg import memory
from scan2seg.memory import available_memory, set_job_memory, use_huge_pages

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


@pytest.mark.parametrize(("call", "least", "most"), [("None", 300, 500), ("collect_rarely()", 0, 3)])
def test_circular_garbage_is_looked_for_rarely(call: str, least: int, most: int) -> None:
    script = (
        f"import gc\nfrom scan2seg.memory import collect_rarely\n{call}\n"
        "count = lambda: sum(part['collections'] for part in gc.get_stats())\n"
        "before = count()\nkept = [[] for _ in range(250_000)]\nprint(count() - before)"
    )
    result = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert least <= int(result.stdout) <= most


GIGABYTE = 10**9


@pytest.fixture
def large_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand on a node with 500 GB free, in a job that holds 1 GB, without any limit yet."""

    class Free:
        available = 500 * GIGABYTE

    monkeypatch.setattr(psutil, "virtual_memory", lambda: Free)
    monkeypatch.setattr(memory, "_held", lambda: GIGABYTE)
    for name in ("SCAN2SEG_JOB_MB", "SLURM_MEM_PER_NODE", "SLURM_MEM_PER_CPU", "SLURM_CPUS_ON_NODE"):
        monkeypatch.delenv(name, raising=False)
    assert available_memory(tmp_path) == 500 * GIGABYTE
    return tmp_path


def put(root: Path, **files: object) -> None:
    for name, content in files.items():
        path = root / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{content}\n")


def group(root: Path, folder: str, limit: object, used: int, cache: int, version: int) -> None:
    names = ("memory.max", "memory.current", "inactive_file") if version == 2 else (
        "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")  # fmt: skip
    place = root / "sys/fs/cgroup" / folder
    place.mkdir(parents=True, exist_ok=True)
    (place / names[0]).write_text(f"{limit}\n")
    (place / names[1]).write_text(f"{used}\n")
    (place / "memory.stat").write_text(f"anon 1\n{names[2]} {cache}\n")


def test_nested_control_groups_of_version_2_bound_the_job(large_node: Path) -> None:
    put(large_node, proc__self__cgroup="0::/slurm/job7/step0")
    group(large_node, "slurm/job7/step0", "max", GIGABYTE, 0, 2)
    group(large_node, "slurm/job7", 8 * GIGABYTE, 3 * GIGABYTE, GIGABYTE, 2)
    group(large_node, "slurm", 100 * GIGABYTE, GIGABYTE, 0, 2)
    assert available_memory(large_node) == 6 * GIGABYTE
    group(large_node, "slurm", 4 * GIGABYTE, 2 * GIGABYTE, 0, 2)
    assert available_memory(large_node) == 2 * GIGABYTE


def test_control_groups_of_version_1_bound_the_job(large_node: Path) -> None:
    put(large_node, proc__self__cgroup="9:cpuset:/\n4:cpu,memory:/job")
    group(large_node, "memory/job", 2**63 - 4096, GIGABYTE, 0, 1)
    assert available_memory(large_node) == 500 * GIGABYTE
    group(large_node, "memory/job", 8 * GIGABYTE, 5 * GIGABYTE, 0, 1)
    assert available_memory(large_node) == 3 * GIGABYTE


def test_slurm_and_the_rule_bound_the_job_less_what_it_holds(large_node: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_MEM_PER_CPU", "1000")
    monkeypatch.setenv("SLURM_CPUS_ON_NODE", "4")
    assert available_memory(large_node) == 4000 * 2**20 - GIGABYTE
    monkeypatch.setenv("SLURM_MEM_PER_NODE", "8000")
    assert available_memory(large_node) == 8000 * 2**20 - GIGABYTE
    monkeypatch.setenv("SCAN2SEG_JOB_MB", "1")
    set_job_memory("<TBD>")
    set_job_memory(3000)
    assert available_memory(large_node) == 2 * GIGABYTE
    set_job_memory(500)
    assert available_memory(large_node) == 0
