"""A file system for the results alone, that is filled or becomes read-only while it is used."""

import hashlib
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PAGE = 4096
# from which a stage goes on
STATES = {"training", "unfinished"}


class Disk:
    """The results folder as a file system of its own, whose size and mode change while it is used."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def remount(self, options: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{options}", str(self.folder)], check=True)

    def grow(self) -> None:
        self.remount("size=2g,nr_inodes=100k")

    def fill(self, outputs: list[Path]) -> None:
        """Leave room for the two files that say who works, and for an eighth of the outputs of a stage."""
        files = [path for output in outputs for path in (output, *output.rglob("*"))]
        pages = sum(-(-path.stat().st_size // PAGE) for path in files if path.is_file() and not path.is_symlink())
        used = os.statvfs(self.folder)
        if pages:
            self.remount(f"size={(used.f_blocks - used.f_bfree + 2 + pages // 8) * PAGE}")
        else:
            # links take no pages, but each an entry
            self.remount(f"nr_inodes={used.f_files - used.f_ffree + 2 + len(files) // 8}")

    def snapshot(self) -> dict[str, str]:
        """Return what lies there: hashes of files and targets of links, without logs and states of unfinished work."""
        found = {}
        for path in sorted(self.folder.rglob("*")):
            name = path.relative_to(self.folder)
            if name.parts[0] in ("logs", "benchmarks") or STATES & set(name.parts):
                continue
            if path.is_symlink():
                found[str(name)] = os.readlink(path)
            else:
                found[str(name)] = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
        return found


@contextmanager
def on_its_own_disk(folder: Path) -> Iterator[Disk]:
    """Put a copy of the results below a folder on a file system of its own for a while."""
    if os.geteuid() != 0:
        pytest.skip("a file system for the results needs root")
    results, kept = folder / "results", folder / "kept"
    results.rename(kept)
    results.mkdir()
    try:
        mount = ["mount", "-t", "tmpfs", "-o", "size=2g,nr_inodes=100k", "results", str(results)]
        made = subprocess.run(mount, capture_output=True, text=True, check=False)
        if made.returncode:
            pytest.skip(f"no file system for the results: {made.stderr}")
        subprocess.run(["cp", "-a", f"{kept}/.", str(results)], check=True)
        yield Disk(results)
    finally:
        subprocess.run(["umount", "--lazy", str(results)], check=False)
        results.rmdir()
        kept.rename(results)
