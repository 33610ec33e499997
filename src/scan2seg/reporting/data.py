"""What a dataset and its split are made of, and whether the split can leak."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scan2seg import storage
from scan2seg.ignore import IGNORE
from scan2seg.places import evenly
from scan2seg.reporting.content import read_optional_json
from scan2seg.reporting.tables import UNKNOWN, Cell, Table, number, percent, text
from scan2seg.split import check_split, judge_split

SIDES = ("train", "validation", "test")
MOST_IMAGES = 200
"""Class shares of a side are counted on at most this many images, evenly spread."""


@dataclass(frozen=True)
class DataSummary:
    """Facts of a dataset as pairs of words, its split as a table, and a verdict on leakage (None where unknown)."""

    facts: list[tuple[str, str]]
    split: Table | None
    safe: bool | None
    verdict: str
    classes: list[str]


def summarise(stack: Path, split: Path | None) -> DataSummary:
    """Describe a stack and its split.

    Raises:
        InputError: a file is there but unreadable.
    """
    group = storage.open_store(stack)
    attributes: dict[str, Any] = dict(group.attrs)
    classes = [str(name) for name in attributes.get("classes") or []]
    content = read_optional_json(split)
    sides = {
        side: [int(index) for index in content.get(side, [])] for side in SIDES if isinstance(content.get(side), list)
    }
    groups = list(attributes.get("groups") or [])
    safe, verdict = _judge(sides, content, groups, attributes.get("hashes")) if sides and groups else (None, "")
    table = _split_table(stack, sides, classes, groups) if sides else None
    return DataSummary(_facts(stack, attributes, content, groups), table, safe, verdict, classes)


def _judge(
    sides: dict[str, list[int]], content: dict[str, Any], groups: list[Any], hashes: list[str] | None
) -> tuple[bool | None, str]:
    """Count on the split as it stands what its sides share, folds too; whatever the strategy promised."""
    ordered = content.get("strategy") == "blocked"
    return judge_split(check_split(sides, content.get("folds"), groups, hashes, ordered=ordered))


def _facts(
    stack: Path, attributes: dict[str, Any], content: dict[str, Any], groups: list[Any]
) -> list[tuple[str, str]]:
    image = storage.open_array(stack, "image")
    sizes = np.asarray(storage.open_array(stack, "size")[:])
    count, channels = int(image.shape[0]), int(image.shape[1])
    low, high = sizes.min(0), sizes.max(0)
    extent = f"{high[0]} × {high[1]}" if (low == high).all() else f"{low[0]} × {low[1]} to {high[0]} × {high[1]}"
    facts = [("images", f"{count:,}"), ("size", f"{extent} pixels"), ("channels", str(channels))]
    facts.append(("pixel size", _pixel_size(attributes)))
    facts.append(("classes", ", ".join(attributes.get("classes") or []) or "none"))
    if groups:
        facts.append(("groups", f"{len({str(item) for item in groups}):,}"))
    strategy = _strategy(content)
    return [*facts, ("split", strategy)] if strategy else facts


def _pixel_size(attributes: dict[str, Any]) -> str:
    if attributes.get("pixel_size"):
        return f"{attributes['pixel_size']:g} µm"
    sizes = attributes.get("pixel_sizes") or []
    known = [size for size in sizes if size]
    if not known:
        return "not given"
    unknown = f", not given for {len(sizes) - len(known):,} images" if len(known) < len(sizes) else ""
    return f"{min(known):g} to {max(known):g} µm{unknown}"


def _strategy(content: dict[str, Any]) -> str:
    settings = content.get("provenance", {}).get("settings", {})
    settings = settings.get("split", settings) if isinstance(settings, dict) else {}
    name = content.get("strategy") or (settings.get("strategy") if isinstance(settings, dict) else None)
    name = name.get("method", "") if isinstance(name, dict) else name
    return str(name or "")


def _split_table(stack: Path, sides: dict[str, list[int]], classes: list[str], groups: list[Any]) -> Table:
    labelled = "label" in storage.open_store(stack)
    rows, unseen = [], ""
    for side, indices in sides.items():
        row = [text(side), number(len(indices), 0)]
        row += [number(len({str(groups[index]) for index in indices}), 0)] if groups else []
        shares = _shares(stack, indices, len(classes)) if labelled and classes else None
        if classes:
            row += [percent(shares[place]) if shares is not None else Cell(UNKNOWN) for place in range(len(classes))]
        if side == "train" and shares is not None and not shares.all():
            absent = ", ".join(name for name, share in zip(classes, shares, strict=True) if share == 0)
            unseen = f" No training image counted here holds {absent}: no model can learn it."
        rows.append(row)
    head = ["side", "images", *(["groups"] if groups else []), *(f"{name}, % of pixels" for name in classes)]
    return Table(head, rows, caption="Class shares are counted on known pixels." + unseen)


def _shares(stack: Path, indices: list[int], classes: int) -> NDArray[np.float64] | None:
    if not indices:
        return None
    labels, sizes = storage.open_array(stack, "label"), np.asarray(storage.open_array(stack, "size")[:])
    counts = np.zeros(IGNORE + 1, dtype=np.int64)
    for place in evenly(len(indices), MOST_IMAGES):
        image = indices[place]
        height, width = (int(length) for length in sizes[image])
        counts += np.bincount(np.asarray(labels[image, :height, :width]).ravel(), minlength=IGNORE + 1)
    known = counts[:classes]
    return known / known.sum() if known.sum() else None
