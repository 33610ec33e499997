"""Measures beside IoU, taken image by image while a prediction is scored.

Surfaces and particles are of every class but the first, which is the background: its surface is the frame of the image
and the others' surfaces once more. Unknown pixels belong to no region, of neither truth nor prediction.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scan2seg.documents import Json
from scan2seg.evaluation.measures.agreement import balanced_accuracy, cohens_kappa
from scan2seg.evaluation.measures.calibration import Reliability
from scan2seg.evaluation.measures.particles import Detections, detect_particles
from scan2seg.evaluation.measures.position import EdgeCounts
from scan2seg.evaluation.measures.surfaces import bounding_box, surface_distances
from scan2seg.evaluation.metrics import class_scores, mean_present, pixel_accuracy
from scan2seg.evaluation.microstructure import MINIMUM_SIZE
from scan2seg.ignore import IGNORE

MOST_PIXELS = 2**24
"""Regions whose bounding box is larger are not measured: distances take about 100 bytes a pixel."""
TOLERANCE = 0.0075
"""Of the image's diagonal: how far a surface may be off for boundary F1 (Csurka et al. 2013)."""
SURFACE_MEASURES = ("boundary_f1", "hausdorff_95", "surface_distance")
PARTICLE_MEASURES = ("detection_f1", "panoptic_quality")


@dataclass
class _Region:
    """What was found of one class: values of each image, and how many images could not be measured and why."""

    values: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in SURFACE_MEASURES})
    detections: Detections = field(default_factory=Detections)
    missed: int = 0
    invented: int = 0
    too_large: int = 0

    def add(self, truth: NDArray[np.bool_], guess: NDArray[np.bool_], pixel_size: float) -> Json:
        """Measure one image; return its values, NaN where a region is missing or too large."""
        row: Json = dict.fromkeys(SURFACE_MEASURES, math.nan)
        particles = ("particles_matched", "particles_missed", "particles_invented", "particles_iou")
        tolerance = TOLERANCE * math.hypot(*truth.shape)
        box = bounding_box(truth | guess)
        if box is None:
            return row | dict.fromkeys(particles, 0)
        truth, guess = truth[box], guess[box]
        if truth.size > MOST_PIXELS:
            self.too_large += 1
            return row | dict.fromkeys(particles, math.nan)
        found = surface_distances(truth, guess)
        self.missed += not guess.any()
        self.invented += not truth.any()
        # no surface pixel of a region that one of the two lacks has a partner
        row["boundary_f1"] = found.boundary_f1(tolerance) if found else 0.0
        row["hausdorff_95"] = found.hausdorff() * pixel_size
        row["surface_distance"] = found.average() * pixel_size
        for name, values in self.values.items():
            values.append(row[name])
        one = detect_particles(truth, guess, MINIMUM_SIZE)
        self.detections += one
        return row | dict(zip(particles, (one.matched, one.missed, one.invented, one.quality), strict=True))

    def summary(self) -> Json:
        """Return the means over images and the summed particles, JSON-ready."""
        found = self.detections
        quality = {"detection_f1": found.f1(), "panoptic_quality": found.panoptic_quality()}
        quality["segmentation_quality"] = found.segmentation_quality()
        counts = {"matched": found.matched, "missed": found.missed, "invented": found.invented}
        return {
            **{name: number(mean_present(np.array(values))) for name, values in self.values.items()},
            "images": {"missed": self.missed, "invented": self.invented, "too_large": self.too_large},
            **{name: number(value) for name, value in quality.items()},
            "particles": counts,
        }


class Measurement:
    """Grows image by image by a few numbers each."""

    def __init__(self, classes: list[str], unit: str) -> None:
        """Start from nothing; the unit is that of the pixel sizes: micrometre or pixel."""
        self.classes, self.unit = classes, unit
        self.regions = {name: _Region() for name in classes[1:]}
        self.edges = EdgeCounts(len(classes))
        self.reliability = Reliability()

    def add(self, truth: NDArray[Any], guess: NDArray[Any], matrix: NDArray[Any], pixel_size: float) -> Json:
        """Add one image and return its columns of per_image.csv.

        Args:
            truth: labels (y, x), 255 where unknown.
            guess: predicted labels (y, x).
            matrix: their confusion matrix.
            pixel_size: the edge of its pixels, in the unit.
        """
        known = truth != IGNORE
        self.edges.add(truth, guess)
        row: Json = {"kappa": cohens_kappa(matrix), "balanced_accuracy": balanced_accuracy(matrix)}
        for label, (name, region) in enumerate(self.regions.items(), start=1):
            found = region.add(truth == label, (guess == label) & known, pixel_size)
            row |= {f"{key}_{name}": value for key, value in found.items()}
        return row

    def add_probabilities(self, truth: NDArray[Any], bands: Iterable[tuple[slice, NDArray[Any]]]) -> None:
        """Add the probabilities of one image, as bands of rows."""
        for rows, probabilities in bands:
            self.reliability.add(truth[rows], probabilities)

    def summary(self, matrix: NDArray[Any]) -> Json:
        """Return all measures, JSON-ready; ``matrix`` is summed over the images."""
        classes = {name: region.summary() for name, region in self.regions.items()}
        names = (*SURFACE_MEASURES, *PARTICLE_MEASURES)
        return {
            "unit": self.unit,
            "background": self.classes[0],
            "boundary_tolerance": TOLERANCE,
            "minimum_size_pixels": MINIMUM_SIZE,
            "most_pixels": MOST_PIXELS,
            "kappa": number(cohens_kappa(matrix)),
            "balanced_accuracy": number(balanced_accuracy(matrix)),
            **{name: mean_known(found[name] for found in classes.values()) for name in names},
            "classes": classes,
            "edge_distance": self._edge_distance(),
            "calibration": self._calibration(),
        }

    def _edge_distance(self) -> Json:
        matrices = self.edges.matrices
        return {
            "from_pixels": list(self.edges.edges),
            "pixels": matrices.sum((1, 2)).tolist(),
            "pixel_accuracy": [number(pixel_accuracy(matrix)) for matrix in matrices],
            "mean_iou": [number(mean_present(class_scores(matrix)["iou"])) for matrix in matrices],
        }

    def _calibration(self) -> Json | None:
        found = self.reliability
        if not found.pixels.any():
            return None
        return {
            "expected_error": number(found.expected_error()),
            "pixels": found.pixels.tolist(),
            "confidence": [number(value) for value in found.confidence().tolist()],
            "accuracy": [number(value) for value in found.accuracy().tolist()],
        }


def number(value: Any) -> float | None:
    """Return a number as JSON has it: null for NaN."""
    return None if math.isnan(value) else float(value)


def mean_known(values: Iterable[float | None]) -> float | None:
    """Return the mean of the values that are known; None where there are none."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
