"""Which class each group of pixels, such as a grey level or a cluster, stands for."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

Names = NDArray[np.int64]
ROUNDS = 10


def name_groups(pixels: NDArray[np.int64]) -> Names:
    """Return the class of each group, so that the mean IoU over the counted pixels is the greatest.

    The most frequent class of each group would do where classes are alike in size. A rare one may be that of no group,
    and all pixels would be background; so at least two classes are named where two classes and two groups have pixels.
    Groups are renamed one by one as long as that helps, from three beginnings: the most frequent class, the most
    frequent for its class's size, and a group for each class by the greatest sum of IoU (Kuhn 1955).

    Args:
        pixels: how many each group has of each true class, (G, K).

    Returns:
        The class of each group (G,).
    """
    counts = pixels.astype(np.float64)
    sizes = counts.sum(0)
    matched = counts.argmax(1)
    groups, classes = linear_sum_assignment(-_iou(counts, counts.sum(1, keepdims=True), sizes))
    matched[groups] = classes
    beginnings = (counts.argmax(1), (counts / np.maximum(sizes, 1)).argmax(1), matched)
    found = [_rename(counts, names) for names in beginnings]
    return max(found, key=lambda names: _iou(*_sum_up(counts, names), sizes).sum())


def _rename(counts: NDArray[np.float64], names: Names) -> Names:
    """Give each group in turn the class that raises the sum of IoU most."""
    names, sizes, filled = names.copy(), counts.sum(0), np.flatnonzero(counts.sum(1))
    for group in np.tile(filled, ROUNDS):
        others = filled[filled != group]
        right, predicted = _sum_up(counts[others], names[others])
        gain = _iou(right + counts[group], predicted + counts[group].sum(), sizes) - _iou(right, predicted, sizes)
        gain[sizes == 0] = -np.inf
        used = np.unique(names[others])
        if len(used) == 1 and (sizes > 0).sum() > 1:
            gain[used] = -np.inf
        names[group] = gain.argmax()
    return names


def _sum_up(counts: NDArray[np.float64], names: Names) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the pixels that are rightly named each class, and all that are, (K,) each."""
    right, predicted = np.zeros((2, counts.shape[1]))
    np.add.at(right, names, counts[np.arange(len(names)), names])
    np.add.at(predicted, names, counts.sum(1))
    return right, predicted


def _iou(right: NDArray[np.float64], predicted: NDArray[np.float64], sizes: NDArray[np.float64]) -> NDArray[np.float64]:
    result: NDArray[np.float64] = right / np.maximum(predicted + sizes - right, 1)
    return result
