"""What lies in a results folder: what an experiment makes, what nothing refers to, and the removal of that."""

import json
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from scan2seg.catalogue import Catalogue
from scan2seg.catalogue.outputs import outputs
from scan2seg.documents import Json
from scan2seg.errors import InputError
from scan2seg.origin import KINDS, place_of
from scan2seg.ownership import find_owner
from scan2seg.replacement import discard

_PARTS = {
    "stacks": ("splits/*.json", "patches/*.zarr"),
    "runs": ("*", "*/inference-*"),
    "studies": ("*",),
}
"""What lies in the folder of a thing and may be unused on its own: splits, patches, replicates, predictions, trials."""


@dataclass(frozen=True)
class Stored:
    """A folder of a thing, or one of several parts of it, with its size in bytes and age in seconds."""

    path: Path
    size: int
    age: float


def list_things(catalogue: Catalogue, results: Path) -> list[Json]:
    """Return kind, name, key, path of every file and store that an experiment makes, and whether it is there."""
    return [
        {
            "kind": output.kind,
            "name": output.thing.name,
            "key": output.thing.key,
            "path": str(results / output.path),
            "made": (results / output.path).exists(),
        }
        for output in outputs(catalogue)
    ]


def find_unused(catalogues: Iterable[Catalogue], results: Path) -> list[Stored]:
    """List what neither a report in the folder nor a given experiment refers to.

    A report refers to everything that it was made from, however long ago. What a job works on now or reads is in use
    too, and so is everything of an experiment that runs.

    Raises:
        InputError: it cannot be told what a report refers to.
    """
    used = {PurePosixPath(output.path) for catalogue in catalogues for output in outputs(catalogue)}
    used |= {PurePosixPath(path) for path in [*_reported_paths(results), *_owned_paths(results)]}
    holding = {folder for path in used for folder in (path, *path.parents)}
    free: list[PurePosixPath] = []
    for path in _candidates(results):
        whole = {path, *path.parents}
        if path not in holding and not whole & used and not whole & set(free):
            free.append(path)
    return [_measure(results / path) for path in free]


def remove(stored: Iterable[Stored]) -> None:
    """Delete what was listed, and the records of who made it."""
    for item in stored:
        discard(item.path)
        for suffix in ("owner", "made"):
            item.path.with_name(f".{item.path.name}.{suffix}").unlink(missing_ok=True)


def _reported_paths(results: Path) -> set[str]:
    found: set[str] = set()
    for report in results.glob("reports/*/index.html"):
        file = report.with_name("things.json")
        try:
            found.update(json.loads(file.read_text("utf-8"))["things"])
        except (OSError, ValueError, KeyError):
            raise InputError(
                f"{file}: cannot be read, so what this report refers to is not known; run its experiment again, or "
                "remove its folder"
            ) from None
    return found


def _owned_paths(results: Path) -> Iterator[str]:
    """Iterate over the folders that a process works in now, and what it reads."""
    for depth in range(2, 5):
        for file in results.glob("*/" * depth + ".*.owner"):
            owner = find_owner(file)
            if owner is not None:
                places = (place_of(path) for path in [file.parent, *owner.get("inputs", [])])
                yield from (place for place in places if place is not None)


def _candidates(results: Path) -> Iterator[PurePosixPath]:
    """Iterate over the folders of things, each before its parts; what has no key is not ours."""
    for kind in KINDS:
        for folder in sorted((results / kind).glob("*")):
            if folder.is_dir() and place_of(f"{kind}/{folder.name}"):
                yield PurePosixPath(kind, folder.name)
                parts = sorted(part for pattern in _PARTS.get(kind, ()) for part in folder.glob(pattern))
                yield from (
                    PurePosixPath(part.relative_to(results).as_posix())
                    for part in parts
                    if not part.name.startswith(".") and (kind == "stacks" or part.is_dir())
                )


def _measure(path: Path) -> Stored:
    """Add up sizes and find the last change; what is deleted meanwhile counts nothing."""
    size, newest = 0, 0.0
    for file in (path, *path.rglob("*")):
        with suppress(FileNotFoundError):
            state = file.lstat()
            newest = max(newest, state.st_mtime)
            size += 0 if file.is_dir() else state.st_size
    return Stored(path, size, max(time.time() - newest, 0.0))
