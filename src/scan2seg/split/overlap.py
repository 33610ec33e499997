"""What the sides of a split have in common, counted on the split itself, and what may be claimed of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from scan2seg.slices import find_stretches
from scan2seg.split.units import every_image_is_a_group


@dataclass(frozen=True)
class Overlap:
    """What the images of one side share with those seen before; None is what cannot be known."""

    images: int
    """Images of the side."""
    seen: int
    """Images that they are compared with."""
    groups: int | None
    """Groups of the side; None where every image is a group of its own."""
    repeated: int
    """Images that stand on both sides."""
    equal: int | None
    """Images equal by hash to another one that was seen; None without hashes."""
    shared_groups: int | None
    """Groups that stand on both sides."""
    neighbours: int | None
    """Images beside a seen one, in the stack and of one group; None where images have no order."""
    distance: int | None
    """Images from the nearest one of the same volume that was seen, 1 for neighbours; None where there is none."""

    @property
    def leaks(self) -> bool:
        """Tell whether an image of the side was seen, or one that is equal or beside it."""
        return bool(self.repeated or self.equal or self.neighbours)


def check_split(
    split: Mapping[str, Sequence[int]],
    folds: Sequence[Mapping[str, Sequence[int]]] | None,
    groups: Sequence[str],
    hashes: Sequence[str] | None,
    *,
    ordered: bool,
) -> dict[str, Overlap]:
    """Compare test with training and validation images, validation with training images, and so in every fold.

    Args:
        split: part to image indices.
        folds: each with its parts, or None.
        groups: of every image of the stack.
        hashes: of every image, where they are known.
        ordered: whether ungrouped images are slices in their order, as ``blocked`` takes them.

    Returns:
        ``test``, ``validation`` and ``fold 1``, ``fold 2``..., those that have images to compare.
    """
    train, validation, test = (list(split.get(part, [])) for part in ("train", "validation", "test"))
    pairs = {"test": (test, train + validation), "validation": (validation, train)}
    for number, fold in enumerate(folds or [], 1):
        pairs[f"fold {number}"] = (list(fold["validation"]), list(fold["train"]))
    return {
        name: _compare(held, seen, groups, hashes, ordered) for name, (held, seen) in pairs.items() if held and seen
    }


def _compare(
    held: list[int], seen: list[int], groups: Sequence[str], hashes: Sequence[str] | None, ordered: bool
) -> Overlap:
    alone = every_image_is_a_group(groups)
    distances = None if alone and not ordered else _distances(held, seen, groups, alone)
    others = {hashes[index] for index in set(seen) - set(held)} if hashes else set()
    sides = [{groups[index] for index in side} for side in (held, seen)]
    return Overlap(
        images=len(held),
        seen=len(seen),
        groups=None if alone else len(sides[0]),
        repeated=len(set(held) & set(seen)),
        equal=sum(hashes[index] in others for index in held) if hashes else None,
        shared_groups=None if alone else len(sides[0] & sides[1]),
        neighbours=None if distances is None else sum(distance == 1 for distance in distances),
        distance=min(filter(None, distances), default=None) if distances else None,
    )


def _distances(held: list[int], seen: list[int], groups: Sequence[str], alone: bool) -> list[int]:
    """Return how far each image is from the nearest seen one of its volume, in images; none in it gives nothing."""
    volumes = [range(len(groups))] if alone else find_stretches(groups)
    starts = np.array([volume.start for volume in volumes])
    there = np.array(sorted(set(seen)))
    found: list[int] = []
    for index in held:
        volume = volumes[int(np.searchsorted(starts, index, side="right")) - 1]
        place = int(np.searchsorted(there, index))
        beside = [int(other) for other in there[max(place - 1, 0) : place + 2] if other != index]
        found.extend(sorted(abs(other - index) for other in beside if other in volume)[:1])
    return found


def judge_split(overlaps: Mapping[str, Overlap]) -> tuple[bool | None, str]:
    """Say what the counts allow to be said.

    Returns:
        False where test images, or images equal to or beside them, were seen; True where groups are known and none of
        them stands on two sides; None otherwise, with the sentences that a person reads.
    """
    if "test" not in overlaps:
        return None, "There is nothing to compare: one side of the split is empty."
    test = overlaps["test"]
    sentences = [_describe_leaks(test, "test", "another side", "the scores are too good")] if test.leaks else []
    if not test.leaks:
        sentences.append(_describe_groups(test))
    for name, overlap in overlaps.items():
        if name != "test" and overlap.leaks:
            side = "validation" if name == "validation" else f"{name}'s validation"
            sentences.append(_describe_leaks(overlap, side, "the training side", "its validation scores are too good"))
    safe = False if test.leaks else True if test.shared_groups == 0 else None
    return safe, " ".join(sentences)


def _describe_leaks(overlap: Overlap, side: str, other: str, so: str) -> str:
    counts = {
        f"stand on {other} too": overlap.repeated,
        f"equal an image of {other} to the last pixel": overlap.equal,
        f"have a direct neighbour of the same volume on {other}": overlap.neighbours,
    }
    said = [f"{count} {words}" for words, count in counts.items() if count]
    return f"Of {overlap.images} {side} images {', '.join(said)}: {so}."


def _describe_groups(test: Overlap) -> str:
    compared = f"the {test.images} test images with {test.seen} training and validation images"
    equal = "hashes were not compared" if test.equal is None else "none is equal to another by hash"
    if test.groups is None and test.neighbours is None:
        return (
            f"Compared {compared}: {equal}. Every image is a group of its own, so that nothing is known of images of "
            "one sample or patient on two sides (source.groups says it)."
        )
    apart = f"the nearest two of one volume are {test.distance} images apart" if test.distance else ""
    if test.shared_groups:
        text = f"{test.shared_groups} of {test.groups} test groups (volumes, patients) stand on another side too"
        text += f"; {apart}" if apart else ""
        return f"Compared {compared}: {equal}; {text}: the scores are for these groups, not for new ones."
    if test.groups is None:
        return f"Compared {compared}: {equal}; {apart}. All are one series: the scores are for it, not for a new one."
    return f"Compared {compared}: {equal}, and none of the {test.groups} test groups (volumes, patients) is among them."
