"""What ``scan2seg segment`` writes: labels, what they tell in a JSON file beside each, and a table of all.

Nothing is replaced that the command did not write itself: its files have a JSON file beside them with an ``identity``,
and what was ``written``, so that labels that somebody corrected since are told from those of the model.
"""

import csv
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from scan2seg.documents import Json
from scan2seg.errors import InputError
from scan2seg.inference.label_files import file_beside
from scan2seg.inference.segmentation_inputs import Input
from scan2seg.logging import warn
from scan2seg.readers.images import TIFF_SUFFIXES
from scan2seg.replacement import replacing
from scan2seg.sources import natural_key
from scan2seg.sources.volume_files import case_name
from scan2seg.storage import read_json, write_json

TABLE = "summary.csv"
_START = '{\n  "identity":'
"""Of the JSON files beside labels."""
_FIRST_COLUMNS = ("file", "class", "label", "unit")


def output_name(found: Input) -> str:
    """Return the name of the labels: that of the input, as PNG where it is a format that loses or has no labels.

    Of volumes it is that of the OME-Zarr store.
    """
    path = Path(found.name)
    if found.is_volume:
        return str(path.with_name(f"{case_name(path)}.zarr"))
    return str(path if path.name.lower().endswith((*TIFF_SUFFIXES, ".png")) else path.with_suffix(".png"))


def check_outputs(inputs: Sequence[Input], output: Path) -> None:
    """Refuse outputs that would replace what is not theirs, before anything is written.

    Raises:
        InputError: two inputs would have one output, the folder is a file, or an output is an input, or is there and
            was not written by this command.
    """
    seen: dict[str, Input] = {}
    given = {path.resolve() for each in inputs for path in each.paths}
    if output.exists() and not output.is_dir():
        raise InputError(f"{output}: is a file; the last path given is the folder to write labels to")
    for each in inputs:
        name = output_name(each)
        if name in seen:
            raise InputError(f"{seen[name].paths[0]} and {each.paths[0]}: would both be written to {name}; rename one")
        seen[name] = each
        labels = output / name
        ours, damaged = _read_facts(facts_of(labels)) or {}, _is_damaged(facts_of(labels))
        for target in (facts_of(labels), *_files_of(labels, each.paths[0])):
            if target.resolve() in given:
                raise InputError(f"{target}: is an input; give another folder for the labels")
            known = ours if target == facts_of(labels) else target.name in ours.get("written", ())
            # which ``refuse_changed`` names when its turn comes, while others are finished
            if target.exists() and not known and not damaged:
                raise InputError(f"{target}: is there, and not from this command; move it, or give another folder")
    _check_table(output / TABLE)


def _check_table(path: Path) -> None:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            first = next(csv.reader(file), [])
    except FileNotFoundError:
        return
    except (OSError, ValueError, csv.Error):
        first = []
    if tuple(first[: len(_FIRST_COLUMNS)]) != _FIRST_COLUMNS:
        raise InputError(f"{path}: is there, and not from this command; move it, or give another folder")


def facts_of(labels: Path) -> Path:
    """Return the path of the JSON file beside labels."""
    return labels.with_name(f"{labels.name}.json")


def _read_facts(path: Path) -> Json | None:
    """Return what a JSON file says if this command wrote it."""
    try:
        content = read_json(path)
    except InputError:
        return None
    return content if isinstance(content, dict) and "identity" in content else None


def _is_damaged(path: Path) -> bool:
    """Tell whether a JSON file is empty or cut short, and begins as this command writes it."""
    try:
        text = path.read_text("utf-8", errors="replace")
        json.loads(text)
    except OSError:
        return False
    except ValueError:
        return text.startswith(_START) or _START.startswith(text)
    return False


def is_done(labels: Path, original: Path, identity: str) -> bool:
    """Tell whether labels are there, whole, of this identity: model, way and file."""
    facts = _read_facts(facts_of(labels))
    done = facts is not None and facts["identity"] == identity
    done = done and all(path.exists() for path in _files_of(labels, original))
    for path in _find_changed(labels, original) if done else ():
        warn("%s: was changed since it was written; it stays, and its numbers are those of before", path)
    return done


def refuse_changed(labels: Path, original: Path) -> None:
    """Refuse to make labels anew that somebody corrected.

    Raises:
        InputError: labels are there that were changed since this command wrote them, or what they told is damaged.
    """
    if _is_damaged(facts_of(labels)) and any(path.exists() for path in _files_of(labels, original)):
        facts = facts_of(labels)
        raise InputError(f"{facts}: is cut short, so that nobody knows who made {labels.name}; move both and run again")
    for path in _find_changed(labels, original):
        raise InputError(f"{path}: was changed since this command wrote it; move it, or give another folder")


def claim(labels: Path, original: Path) -> None:
    """Say that labels are about to be written; until they are described, they are not done, and nobody else's.

    It comes after all that may fail of computing them: what earlier labels tell holds until they are replaced.

    Raises:
        InputError: labels are there that were changed since this command wrote them.
    """
    refuse_changed(labels, original)
    written = {path.name: None for path in _files_of(labels, original)}
    write_json(facts_of(labels), {"identity": None, "written": written})


def describe(labels: Path, original: Path, identity: str, facts: Json) -> None:
    """Write what finished labels tell."""
    written = {path.name: _measure(path) for path in _files_of(labels, original)}
    write_json(facts_of(labels), {"identity": identity, "written": written, **facts})


def _files_of(labels: Path, original: Path) -> list[Path]:
    return list(filter(None, (labels, file_beside(labels, original))))


def _find_changed(labels: Path, original: Path) -> list[Path]:
    """List the labels that are no longer what was written."""
    written = (_read_facts(facts_of(labels)) or {}).get("written", {})
    present = [path for path in _files_of(labels, original) if path.exists() and written.get(path.name)]
    return [path for path in present if _measure(path) != written[path.name]]


def _measure(path: Path) -> list[int | str]:
    """Return the hash of a file; of a store, which programs do not edit by the way, how many files and bytes it has."""
    if path.is_file():
        return [hashlib.sha256(path.read_bytes()).hexdigest()]
    sizes = [file.stat().st_size for file in path.rglob("*") if file.is_file()]
    return [len(sizes), sum(sizes)]


def read_all_facts(output: Path) -> dict[str, Json]:
    """Return what all finished labels in a folder tell, also those of earlier calls, by their names."""
    described = {path: _read_facts(path) for path in sorted(output.rglob("*.json"), key=natural_key)}
    return {
        path.relative_to(output).as_posix().removesuffix(".json"): facts
        for path, facts in described.items()
        if facts is not None and "classes" in facts
    }


def write_table(output: Path) -> Path:
    """Write summary.csv of everything finished in a folder, also by earlier calls; return it."""
    rows: list[Json] = []
    for name, facts in read_all_facts(output).items():
        for label, (kind, values) in enumerate(facts["classes"].items()):
            plain = {key: value for key, value in values.items() if not isinstance(value, list)}
            rows.append({"file": name, "class": kind, "label": label, "unit": facts["unit"], **plain})
    names = list(dict.fromkeys([*_FIRST_COLUMNS, *(name for row in rows for name in row)]))
    target = output / TABLE
    with replacing(target) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(rows)
    return target
