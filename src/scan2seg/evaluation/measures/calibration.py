"""Whether a model's probabilities can be believed: reliability diagram and expected calibration error.

Source: C. Guo et al., On calibration of modern neural networks, 2017.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from scan2seg.ignore import IGNORE

BINS = 15


class Reliability:
    """Pixels sorted into bins of equal width by the probability of their predicted class; grows image by image."""

    def __init__(self, bins: int = BINS) -> None:
        """Start from nothing."""
        self.pixels = np.zeros(bins, np.int64)
        self._confidence = np.zeros(bins)
        self._hits = np.zeros(bins, np.int64)

    def add(self, truth: NDArray[Any], probabilities: NDArray[Any]) -> None:
        """Add an image.

        Args:
            truth: labels (y, x) or (z, y, x), 255 where unknown; those pixels count nowhere.
            probabilities: (classes, y, x) or (classes, z, y, x), 0 to 1.
        """
        known = truth != IGNORE
        confidence = probabilities.max(0)[known].astype(np.float64)
        hits = probabilities.argmax(0)[known] == truth[known]
        count = len(self.pixels)
        # (low, high], as in the source; a probability of exactly 0 joins the first bin
        places = np.clip(np.ceil(confidence * count).astype(np.int64) - 1, 0, count - 1)
        self.pixels += np.bincount(places, minlength=count)
        self._confidence += np.bincount(places, weights=confidence, minlength=count)
        self._hits += np.bincount(places, weights=hits, minlength=count).astype(np.int64)

    def confidence(self) -> NDArray[np.float64]:
        """Return the mean probability a bin, NaN for an empty one."""
        return self._mean(self._confidence)

    def accuracy(self) -> NDArray[np.float64]:
        """Return the share of right pixels a bin, NaN for an empty one."""
        return self._mean(self._hits)

    def expected_error(self) -> float:
        """Return the expected calibration error, the mean of |accuracy - confidence| over pixels; NaN without any."""
        total = int(self.pixels.sum())
        return float(np.abs(self._hits - self._confidence).sum() / total) if total else float("nan")

    def _mean(self, sums: NDArray[Any]) -> NDArray[np.float64]:
        means = np.full(len(self.pixels), np.nan)
        np.divide(sums, self.pixels, out=means, where=self.pixels > 0)
        return means
