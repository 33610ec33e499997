"""The user's files as the workflow watches them: a changed one is found, however many there are and wherever."""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from scan2seg.catalogue.thing import Dependencies

MANY = 1000
"""Of more files than this the workflow gets a fingerprint: it asks the disk several times about every input."""


def watch(files: Iterable[str], modules: tuple[str, ...] = ()) -> Dependencies:
    """Return files and modules as dependencies.

    Files are looked at one by one, by their time and, where that is newer than what was made, their content; the
    listing adds names and sizes, for a file that is put in another's place may be older than it. Folders, such as Zarr
    stores and TIFF series, are in the listing with the names, sizes and times of all that is in them, as files are
    where there are many: the time of a folder does not tell of a change within.
    """
    files = tuple(dict.fromkeys(files))
    if len(files) > MANY:
        return Dependencies((), modules, _fingerprint(files, timed=True))
    folders = tuple(file for file in files if Path(file).is_dir())
    single = tuple(file for file in files if file not in folders)
    listing = _fingerprint(folders, timed=True) + _fingerprint(single, timed=False)
    return Dependencies(single, modules, listing if files else None)


def _fingerprint(files: Iterable[str], *, timed: bool) -> str:
    """Return a hash of names and sizes, and of times, of files and of all that is in folders."""
    digest = hashlib.sha256()
    for file in files:
        for path in sorted(_walk(file)):
            digest.update(f"{path}\0{_state(path, timed=timed)}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def _state(path: str, *, timed: bool) -> str:
    try:
        state = os.stat(path)
    except OSError:
        return "missing"
    return f"{state.st_size} {state.st_mtime_ns}" if timed else str(state.st_size)


def _walk(path: str) -> list[str]:
    if not os.path.isdir(path):
        return [path]
    return [os.path.join(folder, name) for folder, _, names in os.walk(path) for name in names]
