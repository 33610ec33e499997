"""Controls: a prediction that must score perfectly and one that must score like chance."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def negative_control(matrix: NDArray[Any]) -> NDArray[np.float64]:
    """Return the confusion matrix expected of a prediction whose pixels are shuffled.

    Shuffling keeps how often each class is predicted and destroys where: the expected count of true class i and
    predicted class j is row_i * column_j / total. What a model scores above this it knows from the image.

    Args:
        matrix: counts (classes, classes) of the real prediction, truth in rows.
    """
    total = matrix.sum()
    if not total:
        return np.zeros(matrix.shape)
    return np.outer(matrix.sum(1), matrix.sum(0) / total)


def positive_control(matrix: NDArray[Any]) -> NDArray[np.int64]:
    """Return the confusion matrix of the truth scored against itself; every score of it must be perfect."""
    return np.diag(matrix.sum(1)).astype(np.int64)
