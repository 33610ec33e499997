"""Uncertainty of scores: bootstrap intervals over images, paired tests, correction for many comparisons."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scan2seg.evaluation.metrics import mean_iou

LEVEL = 0.95
RESAMPLES = 2000
SEED = 0
Interval = tuple[float, float]


def resampled_mean_iou(
    intersections: NDArray[Any], unions: NDArray[Any], seed: int = SEED, resamples: int = RESAMPLES
) -> NDArray[np.float64]:
    """Draw images with replacement and compute the mean IoU of each draw from the summed counts.

    The draws depend on the seed and the number of images alone, so those of two models on the same images are paired.

    Args:
        intersections: pixels (images, classes).
        unions: pixels (images, classes).
        seed: of the draws.
        resamples: the number of draws.

    Returns:
        Array (resamples,).
    """
    images = len(intersections)
    generator = np.random.default_rng(seed)
    # Sums of pixel counts stay below 2**53, so doubles are exact and use fast matrix products.
    counts = np.hstack([intersections, unions]).astype(np.float64)
    found = []
    for start in range(0, resamples, 100):  # a hundred draws at a time bound the memory
        draws = min(100, resamples - start)
        weights = generator.multinomial(images, np.full(images, 1 / images), size=draws)
        sums = weights.astype(np.float64) @ counts
        found.append(mean_iou(*np.split(sums, 2, axis=1)))
    return np.concatenate(found)


def percentile_interval(values: NDArray[Any], level: float = LEVEL) -> Interval:
    """Return the central interval that holds the given share of the values."""
    tail = (1 - level) / 2
    low, high = np.nanquantile(values, [tail, 1 - tail])
    return float(low), float(high)


def bootstrap_mean_iou(
    intersections: NDArray[Any], unions: NDArray[Any], seed: int = SEED, resamples: int = RESAMPLES
) -> Interval | None:
    """Return the 95 % percentile-bootstrap interval of the mean IoU over images; None with fewer than two images.

    Source: Efron, Bootstrap methods: another look at the jackknife, Annals of Statistics 7 (1979).
    """
    if len(intersections) < 2:
        return None
    return percentile_interval(resampled_mean_iou(intersections, unions, seed, resamples))


def paired_test(scores: NDArray[Any], reference: NDArray[Any]) -> float | None:
    """Return the two-sided p value of Wilcoxon's signed-rank test between the scores of the same images.

    None with fewer than two images; 1 when all scores are equal. Images are taken as independent: neighbouring
    slices of one volume are not, and their p values are too small.
    """
    if len(scores) < 2:
        return None
    if np.allclose(scores, reference, rtol=0, atol=1e-12):
        return 1.0
    from scipy.stats import wilcoxon

    return float(wilcoxon(scores, reference).pvalue)


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Correct p values for their number; missing ones stay missing and do not count.

    Source: Holm, A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6 (1979).
    """
    known = sorted((value, index) for index, value in enumerate(p_values) if value is not None)
    corrected: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for rank, (value, index) in enumerate(known):
        largest = max(largest, min(1.0, value * (len(known) - rank)))
        corrected[index] = largest
    return corrected
