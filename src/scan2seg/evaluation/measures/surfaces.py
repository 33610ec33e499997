"""Distances between the surfaces of a true and a predicted region, in two or three dimensions.

A region's surface is those of its pixels that touch, face to face, a pixel outside it or the array's edge: the region
less its erosion, as in MONAI and in MedPy. A distance is that of a pixel to the nearest pixel of the other surface.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class SurfaceDistances:
    """Distances of every surface pixel of one region to the surface of the other, in the unit of the spacing.

    Both are empty where either region is: a missed or an invented region has no distance and is to be counted apart.
    """

    of_truth: NDArray[np.float64]
    of_prediction: NDArray[np.float64]

    def __bool__(self) -> bool:
        """Tell whether both regions exist."""
        return bool(len(self.of_truth) and len(self.of_prediction))

    def hausdorff(self, percentile: float = 95.0) -> float:
        """Return the larger of the two percentiles (95: "Hausdorff 95"; 100: the Hausdorff distance); NaN if empty."""
        if not self:
            return float("nan")
        return float(max(np.percentile(part, percentile) for part in (self.of_truth, self.of_prediction)))

    def average(self) -> float:
        """Return the average symmetric surface distance, the mean over the pixels of both surfaces; NaN if empty."""
        return float(np.concatenate([self.of_truth, self.of_prediction]).mean()) if self else float("nan")

    def boundary_f1(self, tolerance: float) -> float:
        """Return the F1 score of surface pixels within a tolerance of the other surface, 0 to 1; NaN if empty.

        Precision is the share of predicted surface pixels near the true surface, recall the share of true ones near
        the predicted surface. Source: G. Csurka et al., What is a good evaluation measure for semantic segmentation?,
        2013.
        """
        if not self:
            return float("nan")
        precision, recall = (float((part <= tolerance).mean()) for part in (self.of_prediction, self.of_truth))
        return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def surface_distances(truth: Mask, prediction: Mask, spacing: Sequence[float] | None = None) -> SurfaceDistances:
    """Measure the distances between the surfaces of two regions.

    Args:
        truth: mask of any number of dimensions, (y, x) or (z, y, x).
        prediction: mask of the same shape.
        spacing: the length of a pixel along each axis; None for pixels.

    Raises:
        ValueError: the shapes differ.
    """
    from scipy.ndimage import distance_transform_edt

    if truth.shape != prediction.shape:
        raise ValueError(f"truth has shape {truth.shape}, prediction {prediction.shape}")
    inside = bounding_box(truth | prediction)
    if inside is None or not truth.any() or not prediction.any():
        return SurfaceDistances(np.empty(0), np.empty(0))
    surfaces = [_surface(np.pad(mask[inside], 1)) for mask in (truth, prediction)]
    # the transform measures the way to the nearest zero, so the surface of the other region is the zero
    to_truth, to_prediction = (distance_transform_edt(~surface, sampling=spacing) for surface in surfaces)
    return SurfaceDistances(to_prediction[surfaces[0]], to_truth[surfaces[1]])


def _surface(mask: Mask) -> Mask:
    from scipy.ndimage import binary_erosion

    surface: Mask = mask & ~binary_erosion(mask)
    return surface


def bounding_box(mask: Mask) -> tuple[slice, ...] | None:
    """Return the smallest box that holds the mask: distances between surfaces within it do not leave it.

    None where the mask is empty.
    """
    axes = range(mask.ndim)
    lines = [mask.any(axis=tuple(other for other in axes if other != axis)) for axis in axes]
    if not lines[0].any():
        return None
    ends = [np.flatnonzero(line)[[0, -1]] for line in lines]
    return tuple(slice(int(first), int(last) + 1) for first, last in ends)
