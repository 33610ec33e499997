"""Pure functions from counts to scores.

Definitions (TP, FP, FN pixels of one class): IoU = Jaccard = TP / (TP + FP + FN), Dice = F1 = 2 TP / (2 TP + FP + FN),
precision = TP / (TP + FP), recall = TP / (TP + FN). The classes of a mean are those that the truth holds, so that they
are the same for every model: a class absent from the truth has no score (NaN). Where it is predicted all the same it is
stray; its pixels are counted, and they count against the classes that they hide. For a class of the truth, a ratio
without a denominator is 0.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Scores = dict[str, NDArray[np.float64]]
IMAGE_SCORES = ("accuracy", "f1", "jaccard", "recall", "precision", "mean_iou")


def class_scores(matrix: NDArray[Any]) -> Scores:
    """Score every class of a confusion matrix (classes, classes) with the truth in rows.

    Returns:
        "iou", "dice", "precision" and "recall", each (classes,), 0 to 1, NaN for a class that the truth lacks.
    """
    hits = np.diagonal(matrix).astype(np.float64)
    truth, predicted = matrix.sum(1).astype(np.float64), matrix.sum(0).astype(np.float64)
    present = truth > 0
    return {
        "iou": _ratio(hits, truth + predicted - hits, present),
        "dice": _ratio(2 * hits, truth + predicted, present),
        "precision": _ratio(hits, predicted, present),
        "recall": _ratio(hits, truth, present),
    }


def mean_present(values: NDArray[Any]) -> float:
    """Return the mean of the values that are not NaN; NaN when there are none."""
    present = values[~np.isnan(values)]
    return float(present.mean()) if present.size else float("nan")


def stray_pixels(matrix: NDArray[Any]) -> NDArray[np.int64]:
    """Return the pixels, (classes,), that are predicted as a class which the truth of no pixel holds; else 0."""
    return np.where(matrix.sum(1) == 0, matrix.sum(0), 0)


def mean_iou(counts: NDArray[Any]) -> NDArray[np.float64]:
    """Return the mean IoU over the classes of the truth, (...), from ``overlap_counts`` (..., 3, classes)."""
    intersections, unions, truth = np.moveaxis(counts, -2, 0)
    present = truth > 0
    iou = np.divide(intersections, unions, out=np.zeros(unions.shape), where=present)
    count = present.sum(-1)
    return np.asarray(np.divide(iou.sum(-1), count, out=np.full(count.shape, np.nan), where=count > 0))


def pixel_accuracy(matrix: NDArray[Any]) -> float:
    """Return the share of pixels on the diagonal; NaN for an empty matrix."""
    total = matrix.sum()
    return float(np.trace(matrix) / total) if total else float("nan")


def image_scores(matrix: NDArray[Any]) -> dict[str, float]:
    """Score one image over the classes of its own truth, as published tables of means over images do.

    With two classes the scores are those of class 1, the foreground (scikit-learn's binary scores with
    ``zero_division=0``: an image without foreground in truth and prediction has Jaccard 0). With more classes they
    are means over the classes of the image's truth, and ``mean_iou`` always is.
    """
    scores = class_scores(matrix)
    if len(matrix) == 2:
        picked = {name: float(np.nan_to_num(values[1])) for name, values in scores.items()}
    else:
        picked = {name: mean_present(values) for name, values in scores.items()}
    return {
        "accuracy": pixel_accuracy(matrix),
        "f1": picked["dice"],
        "jaccard": picked["iou"],
        "recall": picked["recall"],
        "precision": picked["precision"],
        "mean_iou": mean_present(scores["iou"]),
    }


def _ratio(numerator: NDArray[Any], denominator: NDArray[Any], present: NDArray[Any]) -> NDArray[np.float64]:
    ratio = np.divide(numerator, denominator, out=np.zeros(len(numerator)), where=denominator > 0)
    return np.where(present, ratio, np.nan)
