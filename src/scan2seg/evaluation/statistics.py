"""Uncertainty of mean IoU: bootstrap intervals and paired tests over independent units, correction for many tests.

Everything here is of one quantity, the mean IoU of the counts summed over all images, which is what the tables show.
"""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scan2seg.evaluation.metrics import mean_iou
from scan2seg.evaluation.units import MINIMUM_UNITS

LEVEL = 0.95
RESAMPLES = 2000
SEED = 0
EXACT_UNITS = 12
"""Up to so many units all swaps are computed, 2**11 = 2048 that differ; with more units a sample of them."""
SWAPS = 9999
Interval = tuple[float, float]


def resampled_mean_iou(counts: NDArray[Any], seed: int = SEED, resamples: int = RESAMPLES) -> NDArray[np.float64]:
    """Draw units with replacement and compute the mean IoU of each draw from the summed counts.

    The draws depend on the seed and the number of units alone, so those of two models on the same images are paired.

    Args:
        counts: ``overlap_counts`` of each unit, (units, 3, classes).
        seed: of the draws.
        resamples: the number of draws.

    Returns:
        Array (resamples,).
    """
    units = len(counts)
    generator = np.random.default_rng(seed)
    found = []
    for start in range(0, resamples, 100):  # a hundred draws at a time bound the memory
        draws = min(100, resamples - start)
        weights = generator.multinomial(units, np.full(units, 1 / units), size=draws)
        found.append(mean_iou(np.tensordot(weights.astype(np.float64), counts, 1)))
    return np.concatenate(found)


def percentile_interval(values: NDArray[Any], level: float = LEVEL) -> Interval:
    """Return the central interval that holds the given share of the values."""
    tail = (1 - level) / 2
    low, high = np.nanquantile(values, [tail, 1 - tail])
    return float(low), float(high)


def bootstrap_mean_iou(counts: NDArray[Any], seed: int = SEED, resamples: int = RESAMPLES) -> Interval | None:
    """Return the 95 % percentile-bootstrap interval of the mean IoU over units; None with too few units.

    Args:
        counts: ``overlap_counts`` of each unit, (units, 3, classes).
        seed: of the draws.
        resamples: the number of draws.

    Source: Efron, Bootstrap methods: another look at the jackknife, Annals of Statistics 7 (1979); for blocks
    Carlstein, The use of subseries values for estimating the variance, Annals of Statistics 14 (1986).
    """
    return None if len(counts) < MINIMUM_UNITS else percentile_interval(resampled_mean_iou(counts, seed, resamples))


def bootstrap_mean(values: NDArray[np.float64], seed: int = SEED, resamples: int = RESAMPLES) -> Interval | None:
    """Return the 95 % percentile-bootstrap interval of the mean of a score over units; None with too few units."""
    if len(values) < MINIMUM_UNITS:
        return None
    draws = np.random.default_rng(seed).integers(0, len(values), (resamples, len(values)))
    return percentile_interval(values[draws].mean(axis=1))


def swap_test(ours: NDArray[Any], theirs: NDArray[Any], seed: int = SEED) -> float | None:
    """Return the two-sided p value of the difference in mean IoU of two models on the same units; None with too few.

    If the models do not differ, it is a matter of chance which of the two predicted a unit. So their predictions are
    swapped, unit by unit, and p is the share of swaps whose difference is at least as large as the one seen. All swaps
    are computed where there are few, else 9999 at random beside the one seen. The smallest p is 2 / 2**units or 0.0001.

    Args:
        ours: ``overlap_counts`` of each replicate and unit, (replicates, units, 3, classes).
        theirs: those of the other model. Replicates are paired in their order; where their numbers differ, each is
            paired with each.
        seed: of the sample of swaps.

    Source: Fisher, The Design of Experiments (1935); Phipson and Smyth, Permutation p-values should never be zero,
    Statistical Applications in Genetics and Molecular Biology 9 (2010).
    """
    units = ours.shape[1]
    if units < MINIMUM_UNITS:
        return None
    same = len(ours) == len(theirs)
    pairs = list(zip(ours, theirs, strict=True)) if same else list(itertools.product(ours, theirs))
    seen = abs(_swapped_difference(pairs, np.zeros((1, units)))[0])
    # the sums of two orders of the same numbers may differ in their last digits
    as_large = [np.abs(_swapped_difference(pairs, swaps)) >= seen - 1e-12 for swaps in _draw_swaps(units, seed)]
    return float(np.concatenate(as_large).mean())


def _draw_swaps(units: int, seed: int) -> Iterator[NDArray[np.float64]]:
    """Yield swaps (some, units), 1 where the models change places; the first is none."""
    if units <= EXACT_UNITS:  # to swap all others instead only turns the sign, so the first unit stays
        codes = np.arange(2 ** (units - 1))[:, None]
        yield (codes >> np.arange(units)[::-1] & 1).astype(np.float64)
        return
    generator = np.random.default_rng(seed)
    yield np.zeros((1, units))
    for start in range(0, SWAPS, 500):
        yield generator.integers(0, 2, (min(500, SWAPS - start), units)).astype(np.float64)


def _swapped_difference(
    pairs: Sequence[tuple[NDArray[Any], NDArray[Any]]], swaps: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the mean difference in mean IoU over the pairs, (some,), after swaps (some, units)."""
    differences = []
    for mine, other in pairs:
        moved = np.tensordot(swaps, other - mine, 1)
        differences.append(mean_iou(mine.sum(0) + moved) - mean_iou(other.sum(0) - moved))
    return np.asarray(np.mean(differences, axis=0))


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
