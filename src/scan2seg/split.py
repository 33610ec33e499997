"""Dividing images into training, validation and test so that nothing leaks.

Images that are equal by hash, and with ``grouped`` all images of a group, form one unit that stays on one side.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scan2seg.config.split import PARTS, Shares, SplitSettings
from scan2seg.errors import InputError
from scan2seg.logging import info, progress, warn
from scan2seg.provenance import record
from scan2seg.storage import open_array, open_store, shards, write_json

Split = dict[str, list[int]]


def split_stack(stack: Path, output: Path, settings: SplitSettings, folds: int | None = None) -> None:
    """Write split.json: train, validation and test as image indices, and the folds where asked for.

    Images without labels are all training images: they can be pre-trained on, and nothing is scored on them.

    Raises:
        InputError: too few images, unknown names, or parts that cannot be filled.
    """
    attrs: dict[str, Any] = open_store(stack).attrs.asdict()
    names, groups, hashes, parts = (list(attrs[key]) for key in ("names", "groups", "hashes", "parts"))
    kept = _find_foreground(stack) if settings.drop_empty and attrs["labelled"] else list(range(len(names)))
    if len(kept) < len(names):
        info("left out %d images that hold the first class only", len(names) - len(kept))
    labelled = bool(attrs["labelled"])
    if labelled:
        split = make_split(settings, names, groups, hashes, parts, kept)
    else:
        split = {"train": kept, "validation": [], "test": []}
    used = set().union(*split.values())
    content: dict[str, Any] = {
        **split,
        "unused": [index for index in range(len(names)) if index not in used],
        "strategy": settings.strategy if labelled else "unlabelled",
        "leaks": _describe_leaks(settings, split, groups),
    }
    if folds is not None and labelled:
        units = _make_units(sorted(split["train"] + split["validation"]), hashes, _fold_groups(settings, groups))
        content["folds"] = make_folds(units, folds, settings.seed)
    content["provenance"] = record({"split": settings.model_dump(mode="json"), "folds": folds}, [stack])
    write_json(output, content)
    info("%s", ", ".join(f"{part} {len(split[part])}" for part in PARTS))


def make_split(
    settings: SplitSettings,
    names: Sequence[str],
    groups: Sequence[str],
    hashes: Sequence[str],
    parts: Sequence[str | None],
    kept: Sequence[int],
) -> Split:
    """Divide the kept image indices; pure, so that its promises can be tested on any input."""
    if settings.strategy == "given":
        split = _drop_duplicates(_split_given(settings, names, parts, kept), hashes)
    elif settings.strategy == "blocked":
        split = _drop_duplicates(_split_blocked(settings, kept), hashes)
    else:
        units = _make_units(kept, hashes, groups if settings.strategy == "grouped" else None)
        order = np.random.default_rng(settings.seed).permutation(len(units))
        chosen = [units[index] for index in order]
        split = _fill_parts(chosen, settings.shares(), settings.counts is not None, len(kept))
    return _limit_training(settings.training_images, split)


def _limit_training(limit: int | None, split: Split) -> Split:
    """Keep so many training images, evenly spread."""
    if limit is None:
        return split
    train = split["train"]
    if limit > len(train):
        raise InputError(f"split.training_images: {limit} are asked for, the split has {len(train)}")
    spread = (np.arange(limit) + 0.5) * len(train) / limit
    return {**split, "train": [train[int(place)] for place in spread]}


def make_folds(units: list[list[int]], folds: int, seed: int) -> list[Split]:
    """Divide units into folds of about equal size; each fold validates once and trains in the others.

    Raises:
        InputError: fewer units than folds.
    """
    if len(units) < folds:
        raise InputError(f"replicates.folds: {folds} folds need at least as many units, there are {len(units)}")
    order = np.random.default_rng(seed).permutation(len(units))
    members: list[list[int]] = [[] for _ in range(folds)]
    for index in sorted(order, key=lambda position: -len(units[position])):
        min(members, key=len).extend(units[index])
    everything = [index for unit in units for index in unit]
    return [{"train": sorted(set(everything) - set(fold)), "validation": sorted(fold)} for fold in members]


def _fold_groups(settings: SplitSettings, groups: Sequence[str]) -> Sequence[str] | None:
    return groups if settings.strategy == "grouped" else None


def _make_units(kept: Sequence[int], hashes: Sequence[str], groups: Sequence[str] | None) -> list[list[int]]:
    """Join images that must stay together: equal by hash or of one group, through any chain of both."""
    parent = {index: index for index in kept}

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    first: dict[tuple[str, str], int] = {}
    for index in kept:
        keys = [("hash", hashes[index])] + ([("group", groups[index])] if groups is not None else [])
        for key in keys:
            parent[root(index)] = root(first.setdefault(key, index))
    units: dict[int, list[int]] = defaultdict(list)
    for index in kept:
        units[root(index)].append(index)
    return list(units.values())


def _fill_parts(units: list[list[int]], shares: Shares, counts: bool, total: int) -> Split:
    ends = np.cumsum([0.0] + [getattr(shares, part) * (1 if counts else total) for part in PARTS])
    if ends[-1] > total + 1e-6:
        raise InputError(f"split.counts: {ends[-1]:.0f} images are asked for, there are {total}")
    # rounded ends rather than rounded lengths, so that the parts add up
    wanted = dict(zip(PARTS, np.diff(np.round(ends)).astype(int).tolist(), strict=True))
    split: Split = {part: [] for part in PARTS}
    # the largest remaining need takes the next unit, so that large groups do not starve a part
    for unit in units:
        need = {part: wanted[part] - len(split[part]) for part in PARTS}
        part = max(PARTS, key=lambda name: (need[name] / max(wanted[name], 1), need[name]))
        if need[part] > 0:
            split[part].extend(unit)
    for part in PARTS:
        if wanted[part] and not split[part]:
            raise InputError(f"split: nothing is left for {part}; {len(units)} separate units are too few")
        if not split[part] and part != "validation":
            fix = "raise its share" if len(units) > 2 else "give more images, or the parts themselves (strategy: given)"
            raise InputError(f"split: {part} would be empty with {total} images; {fix}")
    return {part: sorted(split[part]) for part in PARTS}


def _split_blocked(settings: SplitSettings, kept: Sequence[int]) -> Split:
    shares = settings.shares()
    total = len(kept)
    wanted = {part: getattr(shares, part) * (1 if settings.counts else total) for part in PARTS}
    spare = total - math.ceil(sum(wanted.values()) - 1e-9)
    if spare < 0:
        raise InputError(f"split.counts: {sum(wanted.values()):.0f} images are asked for, there are {total}")
    split: Split = {}
    start = 0.0
    for part in PARTS:
        begin, end = round(start), min(round(start + wanted[part]), total)
        # the gap is taken from the images that are in no part, and only where these are too few cut from a part's end
        more = wanted[part] and any(wanted[later] for later in PARTS[PARTS.index(part) + 1 :])
        gap = settings.gap if more else 0
        skipped = min(gap, spare)
        spare -= skipped
        split[part] = [kept[index] for index in range(begin, max(begin, end - (gap - skipped)))]
        start += wanted[part] + skipped
        if wanted[part] > 0 and not split[part]:
            message = f"{part} would be empty: {total} images with a gap of {settings.gap}"
            raise InputError(f"split: {message}; lower the gap or raise its share")
    return split


def _split_given(
    settings: SplitSettings, names: Sequence[str], parts: Sequence[str | None], kept: Sequence[int]
) -> Split:
    if settings.lists is None:
        split = {part: [index for index in kept if parts[index] == part] for part in PARTS}
    else:
        places = {name: index for index, name in enumerate(names)}
        split = {}
        for part in PARTS:
            listed: list[str] = getattr(settings.lists, part)
            unknown = [name for name in listed if name not in places]
            if unknown:
                raise InputError(f"split.lists.{part}: there is no image '{unknown[0]}'; names are like '{names[0]}'")
            split[part] = sorted(places[name] for name in listed if places[name] in set(kept))
        seen: set[int] = set()
        for part in PARTS:
            if seen & set(split[part]):
                raise InputError(f"split.lists.{part}: '{names[min(seen & set(split[part]))]}' is in two parts")
            seen |= set(split[part])
    for part in ("train", "test"):
        if not split[part]:
            raise InputError(f"split: {part} holds no images")
    return split


def _drop_duplicates(split: Split, hashes: Sequence[str]) -> Split:
    """Keep an image that stands on two sides in the most protected part only: test, then validation."""
    owner: dict[str, str] = {}
    for part in reversed(PARTS):
        for index in split[part]:
            owner.setdefault(hashes[index], part)
    cleaned = {part: [index for index in split[part] if owner[hashes[index]] == part] for part in PARTS}
    dropped = sum(len(split[part]) - len(cleaned[part]) for part in PARTS)
    if dropped:
        warn("left out %d images that equal an image of another part", dropped)
    if not cleaned["train"]:
        raise InputError("split: every training image equals a test or validation image")
    return cleaned


def _describe_leaks(settings: SplitSettings, split: Split, groups: Sequence[str]) -> str | None:
    """Say in words where neighbours of one volume may stand on two sides."""
    sides = [{groups[index] for index in split[part]} for part in PARTS]
    shared = (sides[0] & sides[2]) | (sides[1] & sides[2])
    if not shared or settings.strategy == "grouped":
        return None
    if settings.strategy == "blocked" and settings.gap > 0:
        return f"one volume on both sides, in blocks {settings.gap} slices apart"
    return "slices of one volume stand on both sides: scores may be too good"


def _find_foreground(stack: Path) -> list[int]:
    label = open_array(stack, "label")
    kept: list[int] = []
    for block in progress(shards(label), "looking for empty images"):
        values = np.asarray(label[block])
        full = ((values > 0) & (values < 255)).any(axis=(1, 2))
        kept.extend(block.start + int(index) for index in np.flatnonzero(full))
    if not kept:
        raise InputError("split.drop_empty: every image holds the first class only")
    return kept
