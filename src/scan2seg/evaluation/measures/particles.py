"""Particles found, missed and invented: detection F1 and panoptic quality of one class.

A particle is a connected component (8 neighbours in an image, 26 in a volume) of at least a smallest size. A true and
a predicted particle match where their IoU is above 0.5, which at most one pair of each can reach.
Source: A. Kirillov et al., Panoptic segmentation, 2019.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
MATCH = 0.5


@dataclass(frozen=True)
class Detections:
    """Counts of particles that can be added image by image; ``quality`` is the sum of the IoU of the matches."""

    matched: int = 0
    missed: int = 0
    invented: int = 0
    quality: float = 0.0

    def __add__(self, other: "Detections") -> "Detections":
        """Add the counts of another image."""
        return Detections(
            self.matched + other.matched,
            self.missed + other.missed,
            self.invented + other.invented,
            self.quality + other.quality,
        )

    def f1(self) -> float:
        """Return the F1 score of the detection, 0 to 1; NaN where neither truth nor prediction has a particle."""
        whole = 2 * self.matched + self.missed + self.invented
        return 2 * self.matched / whole if whole else float("nan")

    def segmentation_quality(self) -> float:
        """Return the mean IoU of the matches, 0.5 to 1; NaN without any."""
        return self.quality / self.matched if self.matched else float("nan")

    def panoptic_quality(self) -> float:
        """Return the F1 score times the mean IoU of the matches, 0 to 1; NaN where there is no particle at all."""
        return self.f1() * self.segmentation_quality() if self.matched else self.f1()


def detect_particles(truth: Mask, prediction: Mask, minimum_size: int = 1) -> Detections:
    """Match the particles of two masks of equal shape, (y, x) or (z, y, x).

    Args:
        truth: the true region of one class.
        prediction: the predicted region.
        minimum_size: pixels below which a component is no particle.

    Raises:
        ValueError: the shapes differ.
    """
    if truth.shape != prediction.shape:
        raise ValueError(f"truth has shape {truth.shape}, prediction {prediction.shape}")
    (true, true_sizes), (found, found_sizes) = (_label(mask, minimum_size) for mask in (truth, prediction))
    both = np.ravel_multi_index((true.ravel(), found.ravel()), (len(true_sizes), len(found_sizes)))
    pairs, overlaps = np.unique(both, return_counts=True)
    rows, columns = np.unravel_index(pairs, (len(true_sizes), len(found_sizes)))
    real = (rows > 0) & (columns > 0)
    rows, columns, overlaps = rows[real], columns[real], overlaps[real]
    iou = overlaps / (true_sizes[rows] + found_sizes[columns] - overlaps)
    matched = iou > MATCH
    count = int(matched.sum())
    return Detections(count, len(true_sizes) - 1 - count, len(found_sizes) - 1 - count, float(iou[matched].sum()))


def _label(mask: Mask, minimum_size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Number the particles from 1; return the numbers, 0 elsewhere, and the sizes by number."""
    from skimage.measure import label as find_components

    components = find_components(mask, connectivity=mask.ndim)
    sizes = np.bincount(components.ravel())
    kept = sizes >= minimum_size
    kept[0] = True
    numbers = np.where(kept, np.cumsum(kept) - 1, 0)
    return numbers[components], sizes[kept].astype(np.int64)
