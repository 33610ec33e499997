"""The eight ways in which a square slice can lie, by name, and the check whether labels lie as their volume does."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scan2seg.logging import warn

Plane = NDArray[Any]

TURNS: dict[str, Callable[[Plane], Plane]] = {
    "none": lambda plane: plane,
    "flip_rows": lambda plane: plane[..., ::-1, :],
    "flip_columns": lambda plane: plane[..., ::-1],
    "rotate_90": lambda plane: np.rot90(plane, 1, (-2, -1)),
    "rotate_180": lambda plane: np.rot90(plane, 2, (-2, -1)),
    "rotate_270": lambda plane: np.rot90(plane, 3, (-2, -1)),
    "transpose": lambda plane: np.swapaxes(plane, -2, -1),
    "transpose_other": lambda plane: np.swapaxes(plane[..., ::-1, ::-1], -2, -1),
}
"""Name to what it does with the last two axes (y, x) of an array; rotations are anticlockwise, rows run downwards."""

SAMPLE_SLICES = 6
"""Slices of a volume that are compared with their labels."""
SAMPLE_SIDE = 512
"""Pixels along a side that are looked at: every so many of a larger slice."""
_LEAST_GAIN = 0.01


def turn(planes: Plane, name: str) -> Plane:
    """Turn or mirror slices (..., y, x); a view."""
    return TURNS[name](planes)


def combine(first: str, then: str) -> str:
    """Return the one name that does what two do after one another."""
    corners = np.arange(4).reshape(2, 2)
    both = turn(turn(corners, first), then)
    return next(name for name in TURNS if np.array_equal(turn(corners, name), both))


def explained(image: Plane, label: Plane) -> float:
    """Return the correlation ratio: the share of the grey values' variance that the labels explain, 0 to 1.

    It takes labels as names, not as numbers (Roche et al., MICCAI 1998, "The correlation ratio as a new similarity
    measure").
    """
    values = image.astype(np.float64).ravel()
    _, place = np.unique(label.ravel(), return_inverse=True)
    total = float(values.var())
    if total == 0:
        return 0.0
    counts = np.bincount(place)
    means = np.bincount(place, values) / counts
    return float((counts * (means - values.mean()) ** 2).sum() / values.size / total)


def find_turn(
    pairs: Sequence[tuple[Plane, Plane]], part: tuple[slice, slice] | None = None
) -> tuple[str, float, float]:
    """Find how slices have to be turned so that their labels fit best.

    Args:
        pairs: slices (y, x) and the labels of the whole, uncropped slice (y, x).
        part: rows and columns of the whole that the slices are; None: all of it.

    Returns:
        The name of the turn, and the mean share of the grey values' variance that the labels explain with the slices
        as they are and with the slices turned. "none" where no turn fits clearly better on every slice.
    """
    pairs = [(image, label) for image, label in pairs if label.min() != label.max()]
    shares = {name: _shares(pairs, name, part) for name in TURNS}
    fitting = {name: values for name, values in shares.items() if values is not None}
    if not pairs or "none" not in fitting:
        return "none", 0.0, 0.0
    means = {name: float(values.mean()) for name, values in fitting.items()}
    best = max(means, key=lambda name: means[name])
    clearly = means[best] - means["none"] > _LEAST_GAIN and bool((fitting[best] > fitting["none"]).all())
    best = best if clearly else "none"
    return best, means["none"], means[best]


def _shares(
    pairs: Sequence[tuple[Plane, Plane]], name: str, part: tuple[slice, slice] | None
) -> NDArray[np.float64] | None:
    """Return for each slice how much its labels explain when the slice is turned; None where the shapes differ."""
    # The labels turned back onto the slice as it is: a crop of the whole is then cut at its own place.
    back = next(other for other in TURNS if combine(name, other) == "none")
    found = []
    for image, whole in pairs:
        label = turn(whole, back)
        label = label if part is None else label[part]
        if label.shape != image.shape:
            return None
        step = -(-max(image.shape) // SAMPLE_SIDE)
        found.append(explained(image[::step, ::step], label[::step, ::step]))
    return np.array(found)


def warn_of_turned_labels(
    name: str, pairs: Sequence[tuple[Plane, Plane]], part: tuple[slice, slice] | None, orientation: str
) -> None:
    """Warn when labels fit a scan's volume better once it is mirrored or turned, and name the setting that turns it.

    Args:
        name: the scan.
        pairs: slices and the labels of the whole slice, see ``find_turn``.
        part: rows and columns of the whole that the slices are; None: all of it.
        orientation: how the reconstruction has been turned already.
    """
    found, before, after = find_turn(pairs, part)
    if found != "none":
        warn(
            "scan %s: its labels fit the volume better turned by %s: they explain %.0f %% of the grey values' variance "
            "then, %.0f %% as it is. Were they drawn on another program's volume? Set reconstruction: {orientation: "
            "%s} for this scan, or turn the labels", name, found, 100 * after, 100 * before,
            combine(orientation, found),
        )  # fmt: skip
