"""Stores that are made over several tries: what a killed job has finished is kept, and the next one goes on behind it.

The store lies beside its target until it is complete (``replacement``), with a record of what decides its content and
of every part that is finished. A later try takes it over where the content is to be the same: equal settings, inputs
of the same size and time, equal code and libraries. Any other starts anew.
"""

import json
import os
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from scan2seg import logging, provenance
from scan2seg.ownership import is_owned
from scan2seg.replacement import replacing
from scan2seg.storage import open_writable, shards

_RECORD = ".unfinished"
WORKERS_FOLDER = ".workers-"
"""How the name of the folder begins in which workers of an unfinished store have what they need."""
Arrays = dict[str, NDArray[Any]]


class Unfinished:
    """A store that is being made, and what of it is finished."""

    def __init__(self, folder: Path, content: str) -> None:
        """Open the store of an earlier try, or make a new one."""
        self._folder, self._content, self._lock = folder, content, threading.Lock()
        self._notes = {(start, stop): note for start, stop, note in _read(folder, content) or ()}
        self.continued = bool(self._notes)
        """Whether an earlier try has finished a part."""
        self.group = open_writable(folder, anew=not self.continued)
        if not self.continued:
            self._begin_record()

    def begin_anew(self) -> None:
        """Throw away all that is finished, also by this try."""
        self._notes, self.continued = {}, False
        self.group = open_writable(self._folder, anew=True)
        self._begin_record()

    def _begin_record(self) -> None:
        (self._folder / _RECORD).write_text(json.dumps(self._content) + "\n", "utf-8")

    def array(self, name: str, create: Callable[[], zarr.Array[Any]]) -> zarr.Array[Any]:
        """Return the array of the earlier try, or create it."""
        found = self.group.get(name) if self.continued else None
        return found if isinstance(found, zarr.Array) else create()

    def finish(self, part: slice, note: Any = None) -> None:
        """Record that a part along the first axis is written in all arrays, with a note (JSON) for the next try."""
        # not made anew where another process has taken the store over
        with self._lock, (self._folder / _RECORD).open("r+", encoding="utf-8") as file:
            file.seek(0, os.SEEK_END)
            file.write(json.dumps([part.start, part.stop, note]) + "\n")

    @property
    def notes(self) -> list[Any]:
        """The notes of all parts that an earlier try has finished."""
        return list(self._notes.values())

    def find(self, part: slice, arrays: Sequence[zarr.Array[Any]]) -> list[Any]:
        """Return the note of a part in a list, which is empty where the part is not finished or cannot be read.

        What is there of such a part is deleted: zarr reads a shard before it writes to it.
        """
        key = (part.start, part.stop)
        if key in self._notes and all(_is_intact(array, part) for array in arrays):
            return [self._notes[key]]
        self._clear(part, arrays)
        return []

    def _clear(self, part: slice, arrays: Sequence[zarr.Array[Any]]) -> None:
        """Delete what an earlier try has written of a part that is not finished."""
        for file in (file for array in arrays for file, _ in _files(array, part)) if self.continued else ():
            file.unlink(missing_ok=True)

    def go_through(self, arrays: Sequence[zarr.Array[Any]]) -> Iterator[tuple[slice, Any]]:
        """Yield the finished parts, with their notes, in order from the first slice on, up to the first gap."""
        stop = 0
        for part in (slice(*key) for key in sorted(self._notes)):
            if part.start != stop or not (note := self.find(part, arrays)):
                break
            yield part, note[0]
            stop = part.stop
        if stop:
            logging.info("going on at %d of %d", stop, arrays[0].shape[0])
        self._notes = {key: note for key, note in self._notes.items() if key[1] <= stop}
        self._clear(slice(stop, arrays[0].shape[0]), arrays)

    def collect(self, arrays: Sequence[zarr.Array[Any]]) -> tuple[list[Any], list[slice]]:
        """Return the notes of all parts that are finished, wherever they are, and the gaps between them, in order."""
        notes, gaps, stop = [], [], 0
        for part in (slice(*key) for key in sorted(self._notes)):
            if note := self.find(part, arrays):
                notes.append(note[0])
                gaps += [slice(stop, part.start)] if stop < part.start else []
                stop = part.stop
        count = arrays[0].shape[0]
        gaps += [slice(stop, count)] if stop < count else []
        if notes:
            logging.info("%d of %d are left", sum(gap.stop - gap.start for gap in gaps), count)
        for gap in gaps:
            self._clear(gap, arrays)
        return notes, gaps

    def remember(self, name: str, make: Callable[[], Arrays]) -> Arrays:
        """Return arrays that all parts depend on as the first try made them, though they would come out otherwise."""
        file = self._folder / f".{name}.npz"
        with suppress(OSError, ValueError):
            return recall(self._folder, name)
        made = make()
        with replacing(file) as partial, partial.open("wb") as opened:
            np.savez(opened, allow_pickle=False, **made)
        return made

    @property
    def folder(self) -> Path:
        """Where the store is as long as it is unfinished."""
        return self._folder

    def close(self) -> None:
        """Take away what is of use to an unfinished store alone, and what was left by a kill; the record goes first."""
        (self._folder / _RECORD).unlink()
        # zarr writes a shard beside it, under such a name
        for file in (*self._folder.glob(".*.npz"), *self._folder.rglob("*.partial")):
            file.unlink()
        for folder in self._folder.glob(f"{WORKERS_FOLDER}*"):
            shutil.rmtree(folder)


@contextmanager
def continuing(target: Path, settings: Any, inputs: Sequence[Path | str]) -> Iterator[Unfinished]:
    """Yield a store that becomes the target when the block ends without an error; see ``Unfinished``.

    A kill, or a signal that ends the program, leaves it for the next try; an error removes it.

    Args:
        target: the Zarr store.
        settings: all that decides its content but the inputs; JSON-ready.
        inputs: what it is made from.

    Raises:
        InputError: the disk is full.
    """
    stamps = [provenance.stamp(Path(path)) for path in inputs]
    content = provenance.fingerprint([settings, stamps, provenance.code_stamp(), provenance.versions()])

    def is_same(left: Path) -> bool:
        return bool(_read(left, content))

    with replacing(target, is_same, alone=is_owned(target)) as partial:
        unfinished = Unfinished(partial, content)
        yield unfinished
        unfinished.close()


def recall(folder: Path, name: str) -> Arrays:
    """Return the arrays that ``Unfinished.remember`` keeps in an unfinished store.

    Raises:
        OSError, ValueError: there are none, or they are damaged.
    """
    with np.load(folder / f".{name}.npz", allow_pickle=False) as found:
        return {key: found[key] for key in found.files}


def _read(folder: Path, content: str) -> list[tuple[int, int, Any]] | None:
    """Return the finished parts of an unfinished store, None where there is none of this content.

    A part was made again, perhaps with other edges, where the earlier one was lost: of parts that overlap, the last
    counts.
    """
    try:
        first, *lines = (folder / _RECORD).read_text("utf-8").splitlines()
        if json.loads(first) != content:
            return None
    except (OSError, ValueError):
        return None
    parts: list[tuple[int, int, Any]] = []
    for line in lines:
        # the last may have been cut off
        with suppress(ValueError):
            start, stop, note = json.loads(line)
            parts = [part for part in parts if part[1] <= start or stop <= part[0]]
            parts.append((start, stop, note))
    return parts


def _files(array: zarr.Array[Any], part: slice) -> Iterator[tuple[Path, slice]]:
    """Yield the file of each shard of a part, with the slices in it; a shard holds the other axes whole."""
    store, metadata, length = array.store_path.store, array.metadata, shards(array)[0].stop
    folder = Path(str(getattr(store, "root", ""))) / array.store_path.path
    for shard in shards(array, part):
        name = metadata.encode_chunk_key((shard.start // length, *[0] * (array.ndim - 1)))
        yield folder / name, shard


def _is_intact(array: zarr.Array[Any], part: slice) -> bool:
    """Tell whether a part can be read: a node that fails may take what it had written with it."""
    try:
        for file, shard in _files(array, part):
            if not file.stat().st_size:
                return False
            np.asarray(array[shard])
    except Exception:  # damaged shards make the codecs raise nearly anything
        return False
    return True
