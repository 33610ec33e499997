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

    Each image validates in one fold and trains in the others, but where it is equal to a validation image, or with
    ``blocked`` as near as the gap to one: there it is in neither part.

    Args:
        settings: of the split.
        folds: how many.
        split: the parts.
        groups: of every image of the stack.
        hashes: of every image.

    Raises:
        InputError: too few images or groups, or a fold that has nothing left to train with.
    """
    pool = sorted(split["train"] + split["validation"])
    volumes = [range(len(groups))] if every_image_is_a_group(groups) else find_stretches(groups)
    volume_of = {index: volume for volume in volumes for index in volume}
    blocked = settings.strategy == "blocked"
    if blocked:
        validations = _cut_blocks(pool, folds, volume_of)
    else:
        units = make_units(pool, groups if settings.strategy == "grouped" else hashes)
        validations = _share_units(units, folds, settings)
    made: list[Split] = []
    for validation in validations:
        equal = {hashes[index] for index in validation}
        out = {index for index in pool if hashes[index] in equal}
        if blocked:
            near = range(-settings.gap, settings.gap + 1)
            out |= {index + step for index in validation for step in near if index + step in volume_of[index]}
        train = [index for index in pool if index not in out]
        if not train:
            message = f"nothing is left to train with beside {len(validation)} validation images"
            fix = f"lower split.gap ({settings.gap})" if blocked else "use fewer folds"
            raise InputError(f"replicates.folds: {message}; {fix} or give more images")
        made.append({"train": train, "validation": validation})
    return made


def _share_units(units: list[list[int]], folds: int, settings: SplitSettings) -> list[list[int]]:
    """Give units that stay together to the folds, the largest first and each to the fold that has fewest images."""
    if len(units) < folds:
        kind = "groups" if settings.strategy == "grouped" else "unlike images"
        raise InputError(f"replicates.folds: {folds} folds need as many {kind}, there are {len(units)}")
    order = np.random.default_rng(settings.seed).permutation(len(units))
    members: list[list[int]] = [[] for _ in range(folds)]
    for index in sorted(order, key=lambda position: -len(units[position])):
        min(members, key=len).extend(units[index])
    return [sorted(fold) for fold in members]


def _cut_blocks(pool: list[int], folds: int, volume_of: dict[int, range]) -> list[list[int]]:
    """Give each fold a block of consecutive images of every volume."""
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
    return blocks
