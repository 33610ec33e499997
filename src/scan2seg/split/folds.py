"""Folds of cross-validation: the training and validation images divided anew, as the strategy promises."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from scan2seg.config.split import SplitSettings
from scan2seg.errors import InputError
from scan2seg.slices import find_stretches
from scan2seg.split.parts import Split
from scan2seg.split.units import every_image_is_a_group, make_units


def make_folds(
    settings: SplitSettings, folds: int, split: Split, groups: Sequence[str], hashes: Sequence[str]
) -> list[Split]:
    """Divide training and validation images into folds of about equal size.

    Each image validates in one fold. It trains in the others, but for ``blocked`` images that are as near as the gap
    to a validation image of that fold, or equal to one: these are in neither part.

    Args:
        settings: of the split.
        folds: how many.
        split: the parts.
        groups: of every image of the stack.
        hashes: of every image.

    Raises:
        InputError: fewer units than folds, or a gap that leaves a fold nothing to train with.
    """
    pool = sorted(split["train"] + split["validation"])
    if settings.strategy == "blocked":
        return _blocked_folds(settings.gap, folds, pool, groups, hashes)
    units = make_units(pool, hashes, groups if settings.strategy == "grouped" else None)
    if len(units) < folds:
        kind = "groups" if settings.strategy == "grouped" else "unlike images"
        raise InputError(f"replicates.folds: {folds} folds need as many {kind}, there are {len(units)}")
    order = np.random.default_rng(settings.seed).permutation(len(units))
    members: list[list[int]] = [[] for _ in range(folds)]
    for index in sorted(order, key=lambda position: -len(units[position])):
        min(members, key=len).extend(units[index])
    return [{"train": sorted(set(pool) - set(fold)), "validation": sorted(fold)} for fold in members]


def _blocked_folds(gap: int, folds: int, pool: list[int], groups: Sequence[str], hashes: Sequence[str]) -> list[Split]:
    """Give each fold a block of consecutive images of every volume; of ungrouped images, of the whole stack."""
    volumes = [range(len(groups))] if every_image_is_a_group(groups) else find_stretches(groups)
    volume_of = {index: volume for volume in volumes for index in volume}
    held: dict[range, list[int]] = defaultdict(list)
    for index in pool:
        held[volume_of[index]].append(index)
    blocks: list[list[int]] = [[] for _ in range(folds)]
    for images in held.values():
        # what cannot be shared out evenly goes to the folds that have fewest
        fewest = sorted(range(folds), key=lambda fold: len(blocks[fold]))[: len(images) % folds]
        start = 0
        for fold, block in enumerate(blocks):
            end = start + len(images) // folds + (fold in fewest)
            block.extend(images[start:end])
            start = end
    if not all(blocks):
        raise InputError(f"replicates.folds: {folds} folds need as many images, there are {len(pool)}")
    made: list[Split] = []
    for block in blocks:
        near = {other for index in block for other in range(index - gap, index + gap + 1) if other in volume_of[index]}
        equal = {hashes[index] for index in block}
        train = [index for index in pool if index not in near and hashes[index] not in equal]
        if not train:
            message = f"a gap of {gap} leaves nothing to train with beside {len(block)} validation images"
            raise InputError(f"replicates.folds: {message}; lower split.gap or give more images")
        made.append({"train": train, "validation": block})
    return made
