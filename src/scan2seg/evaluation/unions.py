"""Scores of unions of classes, such as a whole tumour, from the confusion matrices of the classes that they join.

A pixel is in a union where its class is one of it, and right where truth and prediction both are, whichever of the
classes they name. So the scores are those of merged labels, and nothing is predicted or read anew.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scan2seg.documents import Json
from scan2seg.evaluation.measurement import mean_known, number
from scan2seg.evaluation.metrics import class_scores

if TYPE_CHECKING:
    from scan2seg.evaluation.ranking import Ranked

UNION_SCORES = {"iou": "IoU", "dice": "Dice", "case_dice": "Dice of a volume"}
"""The scores of a union that tables show, and what people call them."""


def merge_classes(matrix: NDArray[Any], members: Sequence[int]) -> NDArray[np.int64]:
    """Return the confusion matrix (2, 2) of the rest (0) and the union (1) of some classes.

    Args:
        matrix: counts (classes, classes) by true class (rows) and predicted class (columns).
        members: the classes of the union.
    """
    inside = np.zeros(len(matrix), np.int64)
    inside[list(members)] = 1
    sides = np.stack([1 - inside, inside])
    return np.asarray(sides @ matrix @ sides.T, np.int64)


def score_unions(metrics: Json, unions: Mapping[str, Sequence[str]]) -> dict[str, Json]:
    """Return the scores of each union of a run.

    Args:
        metrics: the run's metrics.json.
        unions: name of a union to the names of its classes.

    Returns:
        For each union its "classes", "iou", "dice", "precision" and "recall" over all pixels, and "case_dice", the mean
        over the volumes or patients that are scored as a whole and whose truth holds it; None where unknown.
    """
    names = list(metrics["classes"])
    cases = ((metrics.get("measures") or {}).get("cases") or {}).get("rows", [])
    whole = [np.array(case["confusion_matrix"]) for case in cases if case.get("confusion_matrix")]
    found = {}
    for union, classes in unions.items():
        members = [names.index(name) for name in classes]
        scores = _scores(np.array(metrics["confusion_matrix"]), members)
        dice = mean_known(_scores(matrix, members)["dice"] for matrix in whole)
        found[union] = {"classes": list(classes), **scores, "case_dice": dice}
    return found


def union_names(rows: Iterable["Ranked"]) -> list[str]:
    """Return the names of the unions that the runs of some models are scored on."""
    return list(dict.fromkeys(name for row in rows for run in row.runs for name in run.unions))


def describe_unions(rows: Sequence["Ranked"]) -> list[str]:
    """Say which classes each union joins."""
    joined = {name: scores["classes"] for row in rows for run in row.runs for name, scores in run.unions.items()}
    return [f"{name} is the union of {', '.join(classes)}." for name, classes in joined.items()]


def average_union(row: "Ranked", union: str, score: str) -> float | None:
    """Return the mean over a model's replicates of one of ``UNION_SCORES``; None where it is unknown."""
    return row.average(lambda run: run.unions.get(union, {}).get(score))


def _scores(matrix: NDArray[Any], members: Sequence[int]) -> Json:
    return {name: number(values[1]) for name, values in class_scores(merge_classes(matrix, members)).items()}
