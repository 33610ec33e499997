"""Where a model, or several of them, are not sure."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def map_uncertainty(probabilities: NDArray[Any]) -> NDArray[np.float32]:
    """Return the entropy of the probabilities (classes, ...) as a share of the largest possible one, 0 to 1."""
    values = probabilities.astype(np.float32)
    # log(0) times 0 is 0 here
    logarithms = np.log(values, out=np.zeros_like(values), where=values > 0)
    entropy: NDArray[np.float32] = -(values * logarithms).sum(0) / np.float32(np.log(max(len(values), 2)))
    return np.clip(entropy, 0, 1)


def map_disagreement(labels: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
    """Return the share of label maps, 0 to less than 1, that differ from the most frequent label of each pixel.

    Args:
        labels: at least one map of equal shape: predictions of several models or replicates.

    Raises:
        ValueError: none is given, or the shapes differ.
    """
    if not labels or any(one.shape != labels[0].shape for one in labels):
        raise ValueError(f"maps of one shape are needed, not {[one.shape for one in labels]}")
    stacked = np.stack(labels)
    most = np.zeros(stacked.shape[1:], np.int64)
    for value in np.unique(stacked):
        np.maximum(most, (stacked == value).sum(0), out=most)
    return (1 - most / len(labels)).astype(np.float32)
