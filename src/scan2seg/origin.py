"""Where a result comes from: the record of what made it, followed back to the raw files."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scan2seg.errors import InputError
from scan2seg.provenance import fingerprint_file

if TYPE_CHECKING:
    # what surrounds every job imports no module that the job does not
    from scan2seg.documents import Json

KINDS = ("simulations", "reconstructions", "volumes", "stacks", "encoders", "studies", "runs", "segmentations")
_PLACE = re.compile(rf"(?:^|.*?/)((?:{'|'.join(KINDS)})/[a-z0-9][a-z0-9_-]*-[0-9a-f]{{8}}(?:/.*)?|reports/.+)")
_BESIDE = {
    "checkpoint.pt": "training.json", "history.csv": "training.json", "per_image.csv": "metrics.json",
    "encoder.safetensors": "pretraining.json", "projections.h5": "labels.zarr",
}  # fmt: skip
"""Files that hold no record, and those of the same job that hold theirs."""


def place_of(path: Path | str) -> str | None:
    """Return the path of a result from the results folder on; None for what is no result."""
    found = _PLACE.fullmatch(Path(path).as_posix())
    return found[1] if found else None


def trace(path: Path) -> Iterator[tuple[int, Json]]:
    """Iterate over what a file was made from, back to the raw files: depth, and path, settings and what is known of it.

    "raw" is true of what no stage made, "missing" of what is not there any more, "changed" of what has another content
    than when it was read; "files" is how many raw files stand for one folder.

    Raises:
        InputError: the file is not there, or has no record of what made it.
    """
    if not path.exists():
        raise InputError(f"{path}: there is no such file")
    if read_provenance(path) is None:
        raise InputError(f"{path}: has no record of what made it")
    waiting: list[tuple[int, Path, Json]] = [(0, path, {})]
    seen: set[Path] = set()
    while waiting:
        depth, current, known = waiting.pop()
        record = read_provenance(current)
        found = record or {}
        yield depth, {"path": str(current), **_describe(current, known, record)}
        if current not in seen:
            inputs = [item for item in found.get("inputs", []) if isinstance(item, dict)]
            waiting.extend((depth + 1, _find(Path(item["path"]), current), item) for item in reversed(inputs))
        seen.add(current)


def read_provenance(path: Path) -> Json | None:
    """Return the record of a result: its own, that of a file of the same job, or the one that its job left beside it.

    None where it is raw data.
    """
    return _own_record(path) or _own_record(path.with_name(_BESIDE.get(path.name, path.name))) or _job_record(path)


def _own_record(path: Path) -> Json | None:
    from scan2seg.storage import open_store

    try:
        if path.is_dir() and path.suffix == ".zarr":
            found: Any = open_store(path).attrs.get("provenance")
        elif path.suffix == ".json":
            found = json.loads(path.read_text("utf-8")).get("provenance")
        else:
            return None
    except (InputError, OSError, ValueError, AttributeError):
        return None
    return found if isinstance(found, dict) else None


def _job_record(path: Path) -> Json | None:
    """Read the record that a job left beside its first output, of those that hold none, such as tables and pages."""
    whole = path.resolve()
    for folder in list(whole.parents)[:3]:
        for file in sorted(folder.glob(".*.made")):
            try:
                content = json.loads(file.read_text("utf-8"))
                if whole.relative_to(folder).parts[0] in content["outputs"]:
                    found = content.get("provenance")
                    return found if isinstance(found, dict) else None
            except (OSError, ValueError, KeyError, TypeError):
                continue
    return None


def _describe(path: Path, known: Json, record: Json | None) -> Json:
    missing = not path.exists()
    then, now = known.get("fingerprint"), None if missing or known.get("files") else fingerprint_file(path)
    shown: Json = {key: record[key] for key in ("created", "commit", "settings") if record and key in record}
    marks: Json = {"raw": record is None and place_of(path) is None, "missing": missing}
    changed = then is not None and now is not None and then != now
    return {**marks, "changed": changed, **({"files": known["files"]} if "files" in known else {}), **shown}


def _find(path: Path, current: Path) -> Path:
    """Find an input whose path counts from where its job ran: from here, or from where the result lies now."""
    place, mine = place_of(path), place_of(current.resolve())
    if mine is None or (path.is_absolute() and path.exists()):
        return path
    results = Path(str(current.resolve()).removesuffix(mine))
    if place is not None:
        # of a results folder that was moved or copied, the input in the same one
        near = results / place
        return path if path.exists() and path.resolve() == near.resolve() else near if near.exists() else path
    return next((base / path for base in (Path(), *results.parents) if (base / path).exists()), path)
