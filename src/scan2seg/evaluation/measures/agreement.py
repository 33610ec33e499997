"""Agreement of truth and prediction beyond chance, from a confusion matrix with the truth in rows."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def cohens_kappa(matrix: NDArray[Any]) -> float:
    """Return Cohen's kappa, (observed - expected) / (1 - expected agreement), at most 1; NaN where it is 0 / 0.

    Source: J. Cohen, A coefficient of agreement for nominal scales, 1960.

    Args:
        matrix: counts (classes, classes) by true class (rows) and predicted class (columns).
    """
    total = float(matrix.sum())
    if not total:
        return float("nan")
    observed = float(np.trace(matrix)) / total
    # as shares, for products of pixel counts leave the integers
    expected = float((matrix.sum(0) / total) @ (matrix.sum(1) / total))
    return (observed - expected) / (1 - expected) if expected < 1 else float("nan")


def balanced_accuracy(matrix: NDArray[Any]) -> float:
    """Return the mean recall, 0 to 1, of the classes that the truth holds; NaN where it holds none.

    Args:
        matrix: counts (classes, classes) by true class (rows) and predicted class (columns).
    """
    support = matrix.sum(1)
    present = support > 0
    return float(np.mean(np.diagonal(matrix)[present] / support[present])) if present.any() else float("nan")
