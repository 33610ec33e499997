"""One file or folder that takes the place of another, whole or not at all.

What is written stands beside its target until it is complete, under a hidden name that says who writes it:
``.TARGET.HOST.PROCESS-START.partial``, the start as ``processes.started`` tells it, for numbers are used again. A
folder cannot be renamed onto another, so the old one steps aside for a moment, as ``.TARGET.HOST.PROCESS-START.old``; a
crash in that moment is mended by the next writer.
"""

import glob
import os
import re
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from scan2seg import processes
from scan2seg.errors import InputError, is_full_disk

FOREIGN_SECONDS = 7 * 86400.0
"""What another host wrote is a leftover when nothing in it has changed for so long: its processes cannot be seen."""


@contextmanager
def replacing(
    target: Path | str, goes_on: Callable[[Path], bool] | None = None, *, alone: bool = False
) -> Iterator[Path]:
    """Yield a path beside the target to write a file or folder to; on success it takes the target's place.

    After an error or a kill the target is as it was before, and nothing that looks finished is left.

    Args:
        target: the file or folder.
        goes_on: tells of what a dead writer left whether it is to be gone on with; one such is yielded. What a signal
            ends is then left for the next writer.
        alone: whether nobody else can be writing this target, on another host neither.

    Raises:
        InputError: the disk is full.
    """
    target = Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = _beside(target, "partial")
    kept = False
    if goes_on is not None:
        _take_over(target, partial, goes_on, alone)
    _mend(target, partial if goes_on is not None else None, alone)
    try:
        yield partial
        _put(partial, target)
    except (SystemExit, KeyboardInterrupt):
        kept = goes_on is not None
        raise
    except Exception as error:
        if is_full_disk(error):
            raise InputError(f"{target}: the disk is full; nothing was written. Free space and run again") from None
        raise
    finally:
        if not kept:
            _remove(partial)


@contextmanager
def scratch(target: Path, *, alone: bool = False) -> Iterator[Path]:
    """Yield a path beside the target for a file that is needed for a while; it goes with the block.

    What a killed process left of it goes when the next one asks for it; what one of another host left, too where the
    asking one is alone, and otherwise when it is old.

    Args:
        target: names the file.
        alone: whether nobody else can be using such a file, on another host neither.
    """
    _mend(target, alone=alone)
    partial = _beside(target, "partial")
    try:
        yield partial
    finally:
        _remove(partial)


def reserve(path: Path, size: int) -> None:
    """Take the room of a file before a library fills it that does not outlive a full disk, as HDF5.

    Args:
        path: the file, which is made anew.
        size: in bytes, at least what will be written.

    Raises:
        OSError: there is less room.
    """
    with path.open("wb") as file:
        # elsewhere than on Linux the library is on its own
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)


def discard(target: Path) -> None:
    """Delete a file, folder or link; it is gone at once, so that nobody finds a part of it."""
    gone = _beside(target, "partial")
    os.replace(target, gone)
    _remove(gone)


def _put(new: Path, target: Path) -> None:
    """Rename onto the target, which is there, old or new, whatever fails."""
    if not (_is_folder(target) or (_is_folder(new) and os.path.lexists(target))):
        os.replace(new, target)
        return
    old = _beside(target, "old")
    os.replace(target, old)
    try:
        os.replace(new, target)
    except BaseException:
        os.replace(old, target)
        raise
    # the new one is in its place: what cannot be deleted now, the next writer deletes
    with suppress(OSError):
        _remove(old)


def _take_over(target: Path, partial: Path, goes_on: Callable[[Path], bool], alone: bool) -> None:
    """Give what a dead writer left, and may be gone on with, the name that this process writes to."""
    for left in sorted(target.parent.glob(f".{glob.escape(target.name)}.*.partial")):
        if _is_written(left, target, alone) or not goes_on(left):
            continue
        if left != partial:
            _remove(partial)
            # another process may be faster
            with suppress(FileNotFoundError):
                os.replace(left, partial)
        return
    _remove(partial)


def _mend(target: Path, kept: Path | None = None, alone: bool = False) -> None:
    """Finish what a killed writer of this target left: an old version goes back if there is no other, the rest goes."""
    leftovers = target.parent.glob(f".{glob.escape(target.name)}.*")
    for left in sorted(leftovers, key=lambda path: path.suffix):
        if left == kept or left.suffix not in (".old", ".partial") or _is_written(left, target, alone):
            continue
        if left.suffix == ".old" and not os.path.lexists(target):
            os.replace(left, target)
        else:
            _remove(left)


def _beside(target: Path, suffix: str) -> Path:
    return target.with_name(f".{target.name}.{_host()}.{os.getpid()}-{processes.started()}.{suffix}")


def _host() -> str:
    return re.sub(r"[^A-Za-z0-9-]", "-", socket.gethostname()) or "host"


def _is_written(left: Path, target: Path, alone: bool = False) -> bool:
    """Say whether somebody may still write this: the process of its name, or, on another host, anyone lately."""
    who = _writer(left, target)
    if len(who) != 2:
        return True
    if alone:
        return False
    host, (process, _, start) = who[0], who[1].partition("-")
    if host != _host():
        return time.time() - _last_change(left) < FOREIGN_SECONDS
    # jobs that follow one another in a container may all have the same number
    return int(process) != os.getpid() and processes.is_running(int(process), int(start) if start else None)


def _writer(left: Path, target: Path) -> list[str]:
    """Return host and process number of a name; something else is of another target, whose name begins like it."""
    who = left.name.removeprefix(f".{target.name}.").split(".")[:-1]
    return who if len(who) == 2 and re.fullmatch(r"\d+(-\d+)?", who[1]) else []


def _last_change(path: Path) -> float:
    """Return when a file, or anything in a folder, was written last, in seconds since 1970."""
    times = [time.time()]
    # an error means that it changes under our eyes
    with suppress(OSError):
        times = [part.lstat().st_mtime for part in (path, *path.rglob("*"))]
    return max(times)


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _remove(path: Path) -> None:
    if _is_folder(path):
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
