"""Accuracy as a function of the distance to the image's edge, where a network sees padding instead of an image."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from scan2seg.ignore import IGNORE

EDGES = (0, 4, 8, 16, 32, 64, 128)
"""Where the distance bins begin, in pixels; the last one has no end."""


class EdgeCounts:
    """Confusion matrices (bins, classes, classes) by distance to the nearest edge; grows image by image."""

    def __init__(self, classes: int, edges: tuple[int, ...] = EDGES) -> None:
        """Start from nothing."""
        self.edges = edges
        self.matrices = np.zeros((len(edges), classes, classes), np.int64)

    def add(self, truth: NDArray[Any], prediction: NDArray[Any]) -> None:
        """Add an image: labels (y, x), the truth 255 where unknown."""
        classes = self.matrices.shape[1]
        bins = np.searchsorted(self.edges, edge_distance(truth.shape), side="right") - 1
        known = truth != IGNORE
        places = (bins[known] * classes + truth[known]) * classes + prediction[known]
        counts = np.bincount(places.astype(np.int64), minlength=self.matrices.size)
        self.matrices += counts.reshape(self.matrices.shape)


def edge_distance(shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Return the distance (y, x) of each pixel to the nearest edge of its image; the outermost pixels have 0."""
    lines = [np.minimum(np.arange(length), np.arange(length)[::-1]) for length in shape]
    return np.minimum(lines[0][:, None], lines[1][None, :])
