"""What a materials scientist reads off a segmentation: phase fractions, particles and their sizes.

Particles are connected components (8 neighbours) of one class in a two-dimensional image, so diameters are those of
sections. The equivalent diameter is that of the disc of equal area, sqrt(4 area / pi).
"""

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scan2seg.ignore import IGNORE

MINIMUM_SIZE = 10
"""Pixels below which a component is noise, not a particle."""


class Microstructure:
    """Counts of pixels and particles, added image by image; memory grows with the number of distinct sizes only."""

    def __init__(self, classes: int, minimum_size: int = MINIMUM_SIZE) -> None:
        """Start from nothing."""
        self.areas = np.zeros(classes, dtype=np.float64)
        self.sizes: list[Counter[float]] = [Counter() for _ in range(classes)]
        self.minimum_size = minimum_size

    def add(self, labels: NDArray[Any], known: NDArray[np.bool_], pixel_size: float = 1.0) -> None:
        """Add one image: labels (y, x), the pixels (y, x) whose true class is known, and the edge of its pixels.

        Other pixels count nowhere. The unit of the edge is that of all diameters.
        """
        from skimage.measure import label as find_components

        labels = np.where(known, labels, IGNORE)
        pixels = np.bincount(labels.ravel(), minlength=IGNORE + 1)[: len(self.areas)]
        self.areas += pixels * pixel_size**2
        # One pass finds the connected regions of equal labels of all classes at once.
        components = find_components(labels, background=IGNORE, connectivity=2)
        areas = np.bincount(components.ravel())
        owners = np.full(len(areas), IGNORE, dtype=np.int64)
        owners[components.ravel()] = labels.ravel()
        for index, sizes in enumerate(self.sizes):
            mine = areas[(owners == index) & (areas >= self.minimum_size)]
            values, counts = np.unique(mine, return_counts=True)
            sizes.update(dict(zip((values * pixel_size**2).tolist(), counts.tolist(), strict=True)))

    def describe(self, index: int) -> dict[str, Any]:
        """Return the phase fraction (of the area), particle count and diameters of one class."""
        total = float(self.areas.sum())
        diameters, counts = self._diameters(index)
        found: dict[str, Any] = {
            "phase_fraction": float(self.areas[index]) / total if total else None,
            "particles": int(counts.sum()),
        }
        names = ("mean_diameter", "diameter_10", "median_diameter", "diameter_90")
        if not len(counts):
            return found | dict.fromkeys(names)
        ranks = np.searchsorted(np.cumsum(counts), np.array([0.1, 0.5, 0.9]) * counts.sum())
        values = [float(np.average(diameters, weights=counts)), *diameters[ranks].tolist()]
        return found | dict(zip(names, values, strict=True))

    def _diameters(self, index: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        areas = sorted(self.sizes[index].items())
        table = np.array(areas, dtype=np.float64).reshape(-1, 2)
        return np.sqrt(4 * table[:, 0] / np.pi), table[:, 1].astype(np.int64)

    def distance(self, other: "Microstructure", index: int) -> float | None:
        """Return the largest difference between the two cumulative size distributions (Kolmogorov-Smirnov), 0 to 1."""
        mine, my_counts = self._diameters(index)
        theirs, their_counts = other._diameters(index)
        if not len(mine) or not len(theirs):
            return None
        grid = np.union1d(mine, theirs)
        return float(np.abs(_cumulative(grid, mine, my_counts) - _cumulative(grid, theirs, their_counts)).max())


def compare(truth: Microstructure, prediction: Microstructure, classes: list[str], unit: str) -> dict[str, Any]:
    """Describe truth and prediction of every class and the error of the prediction, JSON-ready.

    The error of a phase fraction is prediction minus truth; errors of counts and diameters are relative to the truth,
    null where there is none. ``unit`` is that of the pixel sizes: micrometre or pixel.
    """
    found = {}
    for index, name in enumerate(classes):
        true, predicted = truth.describe(index), prediction.describe(index)
        error = {key: _relative(true[key], predicted[key]) for key in ("particles", "mean_diameter", "median_diameter")}
        error["phase_fraction"] = predicted["phase_fraction"] - true["phase_fraction"]
        error["size_distribution_distance"] = prediction.distance(truth, index)
        found[name] = {"truth": true, "prediction": predicted, "error": error}
    return {"unit": unit, "minimum_size_pixels": truth.minimum_size, "connectivity": 8, "classes": found}


def _cumulative(grid: NDArray[Any], values: NDArray[Any], counts: NDArray[Any]) -> NDArray[np.float64]:
    sums = np.concatenate([[0], np.cumsum(counts)]) / counts.sum()
    return np.asarray(sums[np.searchsorted(values, grid, side="right")])


def _relative(truth: float | None, prediction: float | None) -> float | None:
    return (prediction - truth) / truth if truth and prediction is not None else None
