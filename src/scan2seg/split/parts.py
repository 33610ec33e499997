"""The strategies: random, blocked, grouped and given.

With ``random`` images that are equal by hash stay together, with ``grouped`` all images of a group. Where equal images
would stand on two sides all the same, they are left out of all but one: an empty slice that several volumes share does
not chain these to each other.
"""

import math
from collections.abc import Sequence
from itertools import accumulate

import numpy as np

from scan2seg.config.split import PARTS, SplitSettings
from scan2seg.errors import InputError
from scan2seg.logging import warn
from scan2seg.split.units import every_image_is_a_group, make_units

Split = dict[str, list[int]]
"""Part to image indices, ascending."""


def make_split(
    settings: SplitSettings,
    names: Sequence[str],
    groups: Sequence[str],
    hashes: Sequence[str],
    parts: Sequence[str | None],
    kept: Sequence[int],
) -> Split:
    """Divide the kept image indices; pure, so that its promises can be tested on any input.

    Args:
        settings: of the split.
        names: of every image of the stack, in its order.
        groups: of every image.
        hashes: of every image; where they are not known yet, anything that differs.
        parts: what the source says of every image.
        kept: indices to divide, ascending.

    Raises:
        InputError: a part that was asked for would be empty, unknown names, or groups that say nothing.
    """
    if settings.strategy == "given":
        split = _split_given(settings, names, parts, kept)
    elif settings.strategy == "blocked":
        split = _split_blocked(settings, kept)
    elif settings.strategy == "random":
        split = _fill_parts(make_units(kept, hashes), settings, len(kept))
    else:
        if every_image_is_a_group(groups):
            raise InputError(
                "split.strategy: grouped, but every image is a group of its own, so that nothing is kept together; "
                "say what belongs together with source.groups (images), or use random"
            )
        split = _fill_parts(make_units(kept, groups), settings, len(kept))
    return _limit_training(settings.training_images, _drop_duplicates(split, hashes))


def _part_sizes(settings: SplitSettings, total: int) -> dict[str, int]:
    """Return how many of so many images each part gets: rounded ends rather than lengths, so that they add up."""
    shares = settings.shares()
    scale = 1 if settings.counts else total
    asked = [getattr(shares, part) * scale for part in PARTS]
    if sum(asked) > total + 1e-6:
        raise InputError(f"split.counts: {sum(asked):.0f} images are asked for, there are {total}")
    ends = [0, *(math.floor(end + 0.5 + 1e-9) for end in accumulate(asked))]
    sizes = {part: ends[place + 1] - ends[place] for place, part in enumerate(PARTS)}
    for part in PARTS:
        if not sizes[part] and getattr(shares, part) > 0:
            fix = "raise its share" + (", or set it to 0" if part == "validation" else "")
            raise InputError(
                f"split: {part} would be empty with {total} images; {fix}, give more images, "
                "or the parts themselves (strategy: given)"
            )
    return sizes


def _limit_training(limit: int | None, split: Split) -> Split:
    """Keep so many training images, evenly spread."""
    if limit is None:
        return split
    train = split["train"]
    if limit > len(train):
        raise InputError(f"split.training_images: {limit} are asked for, the split has {len(train)}")
    spread = (np.arange(limit) + 0.5) * len(train) / limit
    return {**split, "train": [train[int(place)] for place in spread]}


def _fill_parts(units: list[list[int]], settings: SplitSettings, total: int) -> Split:
    wanted = _part_sizes(settings, total)
    split: Split = {part: [] for part in PARTS}
    # the largest remaining need takes the next unit, so that large groups do not starve a part
    for place in np.random.default_rng(settings.seed).permutation(len(units)):
        need = {part: wanted[part] - len(split[part]) for part in PARTS}
        part = max(PARTS, key=lambda name: (need[name] / max(wanted[name], 1), need[name]))
        if need[part] > 0:
            split[part].extend(units[place])
    for part in PARTS:
        if wanted[part] and not split[part]:
            kind = "groups" if settings.strategy == "grouped" else "unlike images"
            raise InputError(f"split: nothing is left for {part}; {len(units)} {kind} are too few")
    return {part: sorted(split[part]) for part in PARTS}


def _split_blocked(settings: SplitSettings, kept: Sequence[int]) -> Split:
    sizes = _part_sizes(settings, len(kept))
    spare = len(kept) - sum(sizes.values())
    last = [part for part in PARTS if sizes[part]][-1]
    split: Split = {part: [] for part in PARTS}
    start = 0
    for part in (part for part in PARTS if sizes[part]):
        # the gap is taken from the images that are in no part, and only where these are too few cut from a part's end
        gap = 0 if part == last else settings.gap
        free = min(gap, spare)
        spare -= free
        end = start + sizes[part] - (gap - free)
        split[part] = [kept[place] for place in range(start, end)]
        start = end + gap
        if not split[part]:
            message = f"{part} would be empty: {len(kept)} images with a gap of {settings.gap}"
            raise InputError(f"split: {message}; lower the gap or raise its share")
    return split


def _split_given(
    settings: SplitSettings, names: Sequence[str], parts: Sequence[str | None], kept: Sequence[int]
) -> Split:
    if settings.lists is None:
        split = {part: [index for index in kept if parts[index] == part] for part in PARTS}
    else:
        split = _find_lists(settings, names, set(kept))
    for part in ("train", "test"):
        if not split[part]:
            raise InputError(f"split: {part} holds no images")
    return split


def _find_lists(settings: SplitSettings, names: Sequence[str], kept: set[int]) -> Split:
    places = {name: index for index, name in enumerate(names)}
    split: Split = {}
    seen: set[int] = set()
    for part in PARTS:
        listed: list[str] = getattr(settings.lists, part)
        unknown = [name for name in listed if name not in places]
        if unknown:
            raise InputError(f"split.lists.{part}: there is no image '{unknown[0]}'; names are like '{names[0]}'")
        found = {places[name] for name in listed}
        if seen & found:
            raise InputError(f"split.lists.{part}: '{names[min(seen & found)]}' is in two parts")
        seen |= found
        split[part] = sorted(found & kept)
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
    for part in PARTS:
        if split[part] and not cleaned[part]:
            raise InputError(f"split: every {part} image equals an image of a later part")
    return cleaned
