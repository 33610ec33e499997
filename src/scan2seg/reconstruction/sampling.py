"""Whether the angles of a scan sample a slice: how many directions there are, and which are missing."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scan2seg import logging

LEAST_SHARE = 0.25
"""Fewer projections than this times the columns cause a warning; pi / 2 times the columns sample a slice fully."""
LARGEST_WEDGE = 10.0
"""A gap this many degrees wider than the usual step causes a warning."""


def spread_evenly(angles: NDArray[np.float64], count: int) -> NDArray[np.intp]:
    """Return the places of ``count`` projections, evenly spread over the angles, in the order they were taken.

    Of angles in radians that rise or fall over one turn at most, these are every so many-th; of all others, such as
    interlaced ones or several turns, every so many-th in the order of their directions. Half a turn apart stay half
    a turn apart where both numbers are even.
    """
    steps = np.diff(angles)
    ordered = bool((steps > 0).all() or (steps < 0).all()) and np.ptp(angles) <= 2 * np.pi * (1 + 1 / len(angles))
    order = np.arange(len(angles)) if ordered else np.argsort(np.mod(angles, 2 * np.pi), kind="stable")
    return np.sort(order[np.arange(count) * len(angles) // count])


@dataclass(frozen=True)
class Sampling:
    """Directions of a scan, where those half a turn apart are one."""

    directions: int
    columns: int
    usual_step: float
    """Degrees."""
    widest_gap: float
    """Degrees."""

    @classmethod
    def of(cls, angles: NDArray[np.float64], columns: int) -> "Sampling":
        """Measure the angles, in radians in any order, for slices so many columns wide."""
        folded = np.sort(np.mod(angles, np.pi))
        gaps = np.rad2deg(np.diff(folded, append=folded[0] + np.pi))
        # Rounding and the last projection of a half turn, which repeats the first, make gaps that are none.
        gaps = gaps[gaps > 1e-3]
        return cls(len(gaps), columns, float(np.median(gaps)), float(gaps.max()))

    def warn(self, scan: str) -> None:
        """Say what the slices will lack."""
        if self.directions < LEAST_SHARE * self.columns:
            logging.warn(
                "%s: %d projections are few for slices of %d columns, which %d sample fully: expect streaks. Try "
                "backend: sirt or a higher binning", scan, self.directions, self.columns,
                np.ceil(np.pi / 2 * self.columns),
            )  # fmt: skip
        if self.widest_gap - self.usual_step > LARGEST_WEDGE:
            logging.warn(
                "%s: no projection for %.0f degrees of the half turn, where the usual step is %.2g: edges along those "
                "directions are lost. Are the angles right?", scan, self.widest_gap, self.usual_step
            )  # fmt: skip

    def as_dict(self) -> dict[str, Any]:
        """Return it for attributes."""
        return dict(vars(self))
