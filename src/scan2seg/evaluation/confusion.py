"""Confusion matrices, counted image by image so that they can be summed and cannot depend on tiling."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from scan2seg.ignore import IGNORE


def confusion_matrix(truth: NDArray[Any], prediction: NDArray[Any], classes: int) -> NDArray[np.int64]:
    """Count pixels by true class (rows) and predicted class (columns).

    Args:
        truth: labels of any shape, 0 to ``classes`` - 1, or 255 for pixels whose class is unknown; those are left out.
        prediction: labels of the same shape, 0 to ``classes`` - 1.
        classes: the number of classes, at most 255.

    Returns:
        Array (classes, classes) of counts.

    Raises:
        ValueError: the shapes differ, or a label is out of range.
    """
    if truth.shape != prediction.shape:
        raise ValueError(f"truth has shape {truth.shape}, prediction {prediction.shape}")
    known = truth != IGNORE
    true, predicted = truth[known].astype(np.int64), prediction[known].astype(np.int64)
    for name, labels in (("truth", true), ("prediction", predicted)):
        if labels.size and (labels.min() < 0 or labels.max() >= classes):
            wrong = labels.min() if labels.min() < 0 else labels.max()
            raise ValueError(f"{name} holds label {wrong}, but there are {classes} classes, 0 to {classes - 1}")
    return np.bincount(true * classes + predicted, minlength=classes * classes).reshape(classes, classes)


def overlap_counts(matrices: NDArray[Any]) -> NDArray[Any]:
    """Return what IoU is made of, (..., 3, k), of matrices (..., k, k) with the truth in rows.

    Along the axis of three: the pixels of intersection, of union and of the truth, for each class.
    """
    intersection = np.diagonal(matrices, axis1=-2, axis2=-1)
    truth = matrices.sum(-1)
    return np.stack([intersection, truth + matrices.sum(-2) - intersection, truth], axis=-2)
