"""What is resampled: groups of images, or blocks of neighbouring ones, for images that are alike are not independent.

The rule: where the images come from at least two groups (volumes, patients, or images that stand alone), a unit is a
group. Where all are of one group, such as the slices of one volume, a unit is a block of neighbouring images, longer
than scores of neighbours resemble each other.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MINIMUM_UNITS = 6
"""Fewer units say nothing: no p value of a swap test of five can be below 2 / 2**5 = 0.0625."""


@dataclass(frozen=True)
class Units:
    """The unit of each image, (images,) from 0, and what a unit is."""

    labels: NDArray[np.int64]
    kind: str

    @property
    def count(self) -> int:
        """How many units there are."""
        return len(set(self.labels.tolist()))

    @property
    def enough(self) -> bool:
        """Tell whether an interval or a p value can be had."""
        return self.count >= MINIMUM_UNITS

    @property
    def words(self) -> str:
        """Such as "24 images", "3 groups" or "8 blocks of neighbouring images of one group"."""
        one, *rest = self.kind.split(" ", 1)
        return " ".join([f"{self.count} {one}{'' if self.count == 1 else 's'}", *rest])

    def sum(self, counts: NDArray[np.int64]) -> NDArray[np.float64]:
        """Add up the counts (images, ...) of each unit, (units, ...); doubles are exact below 2**53 and fast."""
        total = np.zeros((self.count, *counts.shape[1:]))
        np.add.at(total, self.labels, counts)
        return total


def choose_units(groups: Sequence[str], scores: Sequence[NDArray[np.float64]]) -> Units:
    """Return the units of images that are given in the order in which they stand in their volumes.

    Args:
        groups: the group of each image.
        scores: series (images,) of scores, or of differences of scores; the blocks suit the one whose neighbours
            resemble each other over the longest distance.
    """
    names, labels = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    images = len(groups)
    if len(names) == images:
        return Units(np.arange(images), "image")
    if len(names) > 1:
        return Units(labels.astype(np.int64), "group")
    length = max(block_length(series) for series in scores)
    blocks = max(1, images // length)
    return Units(np.arange(images) * blocks // images, "block of neighbouring images of one group")


def block_length(series: NDArray[np.float64]) -> int:
    """Return how many neighbours make a block: twice the lag up to which they correlate, at least n**(1/3).

    They correlate up to the last lag before the autocorrelation first falls below zero. On equally good models whose
    errors are autoregressive (coefficient 0 to 0.95, 50 to 300 slices) the swap test then says p < 0.05 of 1 to 6 %;
    with the shorter lag of Politis and White (Econometric Reviews 23, 2004), where it falls below 2 / sqrt(n), of up to
    11 %, and with single slices of up to 80 %.

    The limit: those shares count series too short for six blocks as no rejection. Among the series that are tested at
    all, short ones whose neighbours resemble each other still reject more often than they should, 8 to 16 % of the time
    at a nominal 5 % (coefficient 0.7 with 300 slices: 6 %).

    The cube root is the rate of Hall, Horowitz and Jing, Biometrika 82 (1995).
    """
    count = len(series)
    least = int(np.ceil(count ** (1 / 3)))
    centred = series - series.mean()
    if float(centred @ centred) <= 1e-24 * count:  # equal but for rounding
        return least
    lags = (float(centred[lag:] @ centred[:-lag]) for lag in range(1, count))
    last = next((lag for lag, value in enumerate(lags) if value < 0), count)
    return max(least, 2 * last)
