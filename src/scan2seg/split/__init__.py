"""Dividing images into training, validation and test so that nothing leaks, and counting whether anything does."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from scan2seg.config.split import PARTS, SplitSettings
from scan2seg.errors import InputError
from scan2seg.ignore import IGNORE
from scan2seg.logging import info, progress, warn
from scan2seg.provenance import record
from scan2seg.split.folds import make_folds
from scan2seg.split.overlap import check_split, judge_split
from scan2seg.split.parts import Split, make_split
from scan2seg.storage import open_array, open_store, shards, write_json

__all__ = ["Split", "check_split", "judge_split", "make_folds", "make_split", "split_stack"]


def split_stack(stack: Path, output: Path, settings: SplitSettings, folds: int | None = None) -> None:
    """Write split.json: train, validation and test as image indices, the folds where asked for, and the check.

    ``check`` holds what the sides have in common, counted on the finished split. Images without labels are all
    training images: they can be pre-trained on, and nothing is scored on them.

    Raises:
        InputError: too few images, unknown names, or parts that cannot be filled.
    """
    attrs: dict[str, Any] = open_store(stack).attrs.asdict()
    names, groups, hashes, parts = (list(attrs[key]) for key in ("names", "groups", "hashes", "parts"))
    labelled = bool(attrs["labelled"])
    everything = list(range(len(names)))
    foreground = _find_foreground(stack) if settings.drop_empty and labelled else everything
    if settings.drop_empty == "ends":
        foreground = _fill_volumes(foreground, groups)
    kept = everything if settings.drop_empty == "training" else foreground
    if len(foreground) < len(names):
        where = {"training": " of training", "ends": " at the ends of volumes"}.get(str(settings.drop_empty), "")
        info("left out%s: the %d images that hold the first class only", where, len(names) - len(foreground))
    if labelled:
        split = make_split(settings, names, groups, hashes, parts, kept)
    else:
        split = {"train": kept, "validation": [], "test": []}
    divided = make_folds(settings, folds, split, groups, hashes) if folds is not None and labelled else None
    split, divided = _train_with(foreground, split), divided and [_train_with(foreground, fold) for fold in divided]
    used = set().union(*split.values())
    content: dict[str, Any] = {
        **split,
        "unused": [index for index in range(len(names)) if index not in used],
        "strategy": settings.strategy if labelled else "unlabelled",
    }
    if divided is not None:
        content["folds"] = divided
    overlaps = check_split(split, divided, groups, hashes, ordered=settings.strategy == "blocked")
    content["check"] = {name: asdict(overlap) for name, overlap in overlaps.items()}
    content["provenance"] = record({"split": settings.model_dump(mode="json"), "folds": folds}, [stack])
    write_json(output, content)
    info("%s", ", ".join(f"{part} {len(split[part])}" for part in PARTS))
    safe, verdict = judge_split(overlaps)
    (info if safe is not False else warn)("%s", verdict)


def _train_with(foreground: list[int], split: Split) -> Split:
    """Keep of the training images those with foreground."""
    held = set(foreground)
    train = [index for index in split["train"] if index in held]
    if split["train"] and not train:
        raise InputError("split.drop_empty: every training image holds the first class only")
    return {**split, "train": train}


def _find_foreground(stack: Path) -> list[int]:
    label = open_array(stack, "label")
    kept: list[int] = []
    for block in progress(shards(label), "looking for empty images"):
        values = np.asarray(label[block])
        full = ((values > 0) & (values < IGNORE)).any(axis=(1, 2))
        kept.extend(block.start + int(index) for index in np.flatnonzero(full))
    if not kept:
        raise InputError("split.drop_empty: every image holds the first class only")
    return kept


def _fill_volumes(foreground: list[int], groups: list[str]) -> list[int]:
    """Return all images from the first to the last with foreground of each volume, of all where none has two."""
    volumes = groups if len({*groups}) < len(groups) else [""] * len(groups)
    ends: dict[str, list[int]] = {}
    for index in foreground:
        ends.setdefault(volumes[index], []).append(index)
    return [
        index for index, volume in enumerate(volumes) if volume in ends and ends[volume][0] <= index <= ends[volume][-1]
    ]
