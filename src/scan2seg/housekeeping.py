"""What lies in a results folder: what an experiment makes, what nothing refers to, and where a number comes from."""

import json
import shutil
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scan2seg.catalogue import Catalogue
from scan2seg.catalogue.thing import Thing
from scan2seg.errors import InputError

Json = dict[str, Any]
KINDS = ("simulations", "reconstructions", "volumes", "stacks", "encoders", "studies", "runs", "segmentations")


@dataclass(frozen=True)
class Stored:
    """A folder, or one of several splits or patch stores of a stack, with its size in bytes and age in seconds."""

    path: Path
    size: int
    age: float


def list_things(catalogue: Catalogue, results: Path) -> list[Json]:
    """Return kind, name, key, path of everything that an experiment makes, and whether it is there."""
    return [
        {
            "kind": type(thing).__name__.lower(),
            "name": thing.name,
            "key": thing.key,
            "path": str(results / thing.path),
            "made": (results / thing.path).exists(),
        }
        for thing in catalogue.things()
    ]


def find_unused(catalogues: Iterable[Catalogue], results: Path) -> list[Stored]:
    """List what neither a report in the folder nor a given experiment refers to.

    A report refers to everything that it was made from, however long ago; what a job works on now is in use too.
    """
    used = {results / path for catalogue in catalogues for path in _paths_of(catalogue.things())}
    used |= {results / path for path in _recorded_paths(results)}
    free = [path for path in _candidates(results) if not any(_covers(path, other) for other in used)]
    inner = [path for path in free if not any(other in path.parents for other in free)]
    return [_measure(path) for path in inner if not any(path.rglob(".*.owner"))]


def remove(stored: Iterable[Stored]) -> None:
    """Delete what was listed, and the records of who made it."""
    for item in stored:
        if item.path.is_dir():
            shutil.rmtree(item.path)
        else:
            item.path.unlink()
        for suffix in ("owner", "made"):
            item.path.with_name(f".{item.path.name}.{suffix}").unlink(missing_ok=True)


def trace(path: Path) -> Iterator[tuple[int, Json]]:
    """Iterate over what a file was made from, back to the raw files: depth, and path, key, settings and inputs.

    Raises:
        InputError: the file has no record of what made it.
    """
    waiting = [(0, path)]
    seen: set[Path] = set()
    first = True
    while waiting:
        depth, current = waiting.pop()
        record = read_provenance(current)
        if record is None and first:
            raise InputError(f"{current}: has no record of what made it")
        first = False
        found = record or {}
        inputs = [Path(item["path"]) for item in found.get("inputs", []) if isinstance(item, dict)]
        shown: Json = {key: found[key] for key in ("created", "commit", "settings") if key in found}
        yield depth, {"path": str(current), "raw": record is None, **shown}
        if current not in seen:
            waiting.extend((depth + 1, item) for item in reversed(inputs))
        seen.add(current)


def read_provenance(path: Path) -> Json | None:
    """Return the record of a file or store of ours; None where it is raw data."""
    from scan2seg.storage import open_store

    if path.is_dir() and path.suffix == ".zarr":
        try:
            found: Any = open_store(path).attrs.get("provenance")
        except InputError:
            return None
        return found if isinstance(found, dict) else None
    beside = {"checkpoint.pt": "training.json", "history.csv": "training.json", "per_image.csv": "metrics.json",
              "encoder.safetensors": "pretraining.json", "projections.h5": "labels.zarr"}  # fmt: skip
    if path.name in beside:
        return read_provenance(path.with_name(beside[path.name]))
    if path.suffix != ".json":
        return None
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    found = content.get("provenance") if isinstance(content, dict) else None
    return found if isinstance(found, dict) else None


def _paths_of(things: Iterable[Thing]) -> set[str]:
    return {thing.path for thing in things}


def _recorded_paths(results: Path) -> set[str]:
    found: set[str] = set()
    for file in results.glob("reports/*/things.json"):
        try:
            found.update(json.loads(file.read_text("utf-8"))["things"])
        except (OSError, ValueError, KeyError):
            raise InputError(f"{file}: cannot be read, so what this report refers to is not known") from None
    return found


def _candidates(results: Path) -> Iterator[Path]:
    for kind in KINDS:
        for folder in sorted((results / kind).glob("*")):
            if folder.is_dir() and not folder.name.startswith("."):
                yield folder
                if kind == "stacks":
                    yield from sorted([*folder.glob("splits/*.json"), *folder.glob("patches/*.zarr")])


def _covers(path: Path, used: Path) -> bool:
    """Tell whether something in use lies in a folder, or is it."""
    return path == used or path in used.parents


def _measure(path: Path) -> Stored:
    files = [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else [path]
    states = [file.stat() for file in files]
    newest = max((state.st_mtime for state in states), default=path.stat().st_mtime)
    return Stored(path, sum(state.st_size for state in states), time.time() - newest)
