"""Many models on many images: mean ranks, and which of them differ (critical-difference diagram).

Source: J. Demsar, Statistical comparisons of classifiers over multiple data sets, 2006.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class RankComparison:
    """Mean ranks of the models, best first, and what can be said of them.

    ``order`` names the models as places in the given scores, ``ranks`` their mean ranks (1 is best),
    ``p`` that of Friedman's test that all are alike, ``critical`` the difference of mean ranks from which two models
    differ (Nemenyi), ``cliques`` the longest runs (first, last), as places in ``order``, that do not.
    """

    order: list[int]
    ranks: list[float]
    p: float
    critical: float
    cliques: list[tuple[int, int]]
    units: int


def compare_ranks(scores: NDArray[Any], alpha: float = 0.05) -> RankComparison | None:
    """Compare models by their ranks on independent units.

    Args:
        scores: (units, models), higher is better; units are independent of one another: images, patients, volumes,
            never neighbouring slices. Rows with NaN are left out.
        alpha: the level of the test.

    Returns:
        None with fewer than three models or fewer than two units.
    """
    from scipy.stats import friedmanchisquare, rankdata, studentized_range

    scores = scores[np.isfinite(scores).all(1)]
    units, models = scores.shape
    if models < 3 or units < 2:
        return None
    ranks = rankdata(-scores, axis=1).mean(0)
    order = np.argsort(ranks, kind="stable")
    alike = bool((scores == scores[:, :1]).all())
    p = 1.0 if alike else float(friedmanchisquare(*scores.T).pvalue)
    quantile = float(studentized_range.ppf(1 - alpha, models, np.inf)) / np.sqrt(2)
    critical = quantile * float(np.sqrt(models * (models + 1) / (6 * units)))
    ordered = ranks[order]
    return RankComparison(order.tolist(), ordered.tolist(), p, critical, _find_cliques(ordered, critical), units)


def _find_cliques(ranks: NDArray[Any], critical: float) -> list[tuple[int, int]]:
    """Return the longest runs of sorted ranks that lie within the critical difference."""
    ends = [int(np.searchsorted(ranks, rank + critical, side="left")) - 1 for rank in ranks]
    runs = [(first, last) for first, last in enumerate(ends) if last > first]
    return [(first, last) for first, last in runs if not any(a < first and last <= b for a, b in runs)]


def seeds_needed(difference: float, spread: float, alpha: float = 0.05, power: float = 0.8, most: int = 1000) -> int:
    """Return how many seeds a model would tell two rows apart by a two-sided t-test of their mean scores.

    The least n whose test, with 2 n - 2 degrees of freedom and a noncentrality of |difference| / spread * sqrt(n / 2),
    finds the difference with the given power. It speaks of the seeds alone, not of other test images.

    Args:
        difference: of the two means.
        spread: the standard deviation of one run over seeds, pooled over both models.
        alpha: the level of the test.
        power: the probability to find a difference of that size.
        most: given where even that many do not suffice.
    """
    from scipy.stats import nct, t

    if spread <= 0 or difference == 0:
        return most if difference == 0 else 2
    counts = np.arange(2, most)
    freedom, shift = 2 * counts - 2, abs(difference) / spread * np.sqrt(counts / 2)
    limit = t.ppf(1 - alpha / 2, freedom)
    found = 1 - nct.cdf(limit, freedom, shift) + nct.cdf(-limit, freedom, shift)
    enough = np.flatnonzero(~(found < power))  # where the shift is too large to compute, it is found for certain
    return int(counts[enough[0]]) if len(enough) else most
