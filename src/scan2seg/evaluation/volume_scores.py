"""Scores of a whole volume or patient: Dice and surface distances in three dimensions.

A case is a group of at least two slices. Dice is of the slices' counts together, whatever its size; distances need the
volume in memory and the spacing of its voxels. Both are of every class but the first, the background.
"""

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from scan2seg.documents import Json
from scan2seg.evaluation.measurement import mean_known, number
from scan2seg.evaluation.measures.surfaces import bounding_box, surface_distances
from scan2seg.evaluation.metrics import class_scores
from scan2seg.evaluation.pair import Pair
from scan2seg.ignore import IGNORE

MOST_VOXELS = 2**27
"""Of a case: larger ones are not read as a whole."""
MOST_BOX = 2**24
"""Of the box around a region, in which distances are measured: about 100 bytes a voxel."""
DISTANCES = ("hausdorff_95", "surface_distance")


def score_cases(pair: Pair, matrices: Mapping[int, NDArray[np.int64]]) -> Json | None:
    """Score every case of which slices were tested; None where no group has two slices.

    Args:
        pair: the stack and the prediction.
        matrices: the confusion matrix of each scored image, by its place in the stack.

    Returns:
        "unit", the means over the cases, and "rows": "case", "slices", for each measure its value a class, "reason"
        where something is unknown, and "confusion_matrix" of a case that is scored as a whole.
    """
    members: dict[str, list[int]] = {}
    for image, group in enumerate(pair.groups):
        members.setdefault(group, []).append(image)
    tested = dict.fromkeys(pair.groups[image] for image in matrices)
    rows = [_score_case(pair, group, members[group], matrices) for group in tested if len(members[group]) > 1]
    if not rows:
        return None
    means = {name: mean_known(value for row in rows for value in row[name].values()) for name in ("dice", *DISTANCES)}
    whole = sum(any(value is not None for value in row["dice"].values()) for row in rows)
    return {"unit": "micrometre", "cases": len(rows), "scored": whole, **means, "rows": rows}


def _score_case(pair: Pair, group: str, images: list[int], matrices: Mapping[int, NDArray[np.int64]]) -> Json:
    names = pair.classes[1:]
    row: Json = {"case": group, "slices": len(images), "reason": _why_not_whole(pair, images, matrices)}
    row |= {name: dict.fromkeys(names) for name in ("dice", *DISTANCES)}
    if row["reason"]:
        return row
    matrix = np.sum([matrices[image] for image in images], axis=0)
    row["confusion_matrix"] = matrix.tolist()
    dice = class_scores(matrix)["dice"]
    row["dice"] = {name: number(value) for name, value in zip(names, dice[1:], strict=True)}
    row["reason"] = _why_not_measured(pair, group, images)
    if row["reason"]:
        return row
    truth, guess = (np.stack(labels) for labels in zip(*(pair.read(image) for image in images), strict=True))
    guess[truth == IGNORE] = IGNORE
    for label, name in enumerate(names, start=1):
        found = _measure(truth == label, guess == label, pair.spacings[group])
        if isinstance(found, str):
            row["reason"] = found
            continue
        for key, value in zip(DISTANCES, found, strict=True):
            row[key][name] = number(value)
    return row


def _why_not_whole(pair: Pair, images: list[int], matrices: Mapping[int, NDArray[np.int64]]) -> str | None:
    if range(images[0], images[-1] + 1) not in pair.volumes:
        return "its images are not consecutive slices of one size"
    known, predicted = (sum(image in held for image in images) for held in (matrices, set(pair.index.tolist())))
    if predicted < len(images):
        return f"{predicted} of its {len(images)} slices are test images"
    return None if known == len(images) else f"{len(images) - known} of its {len(images)} slices have no label"


def _why_not_measured(pair: Pair, group: str, images: list[int]) -> str | None:
    if group not in pair.spacings:
        return "no distances: the files do not say the spacing of the voxels"
    voxels = len(images) * math.prod(pair.sizes[images[0]].tolist())
    return f"no distances: {voxels:,} voxels, more than {MOST_VOXELS:,}" if voxels > MOST_VOXELS else None


def _measure(truth: NDArray[np.bool_], guess: NDArray[np.bool_], spacing: list[float]) -> tuple[float, float] | str:
    box = bounding_box(truth | guess)
    if box is None:
        return math.nan, math.nan
    truth, guess = truth[box], guess[box]
    if truth.size > MOST_BOX:
        return f"no distances: a region's box has {truth.size:,} voxels, more than {MOST_BOX:,}"
    found = surface_distances(truth, guess, spacing)
    return found.hausdorff(), found.average()
