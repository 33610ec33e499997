"""The eight ways in which a square slice can lie, by name, and the check whether labels lie as their volume does."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Fit:
    """How slices have to be turned so that their labels fit best."""

    turn: str
    """Its name; "none" where no turn fits clearly better on every slice."""
    reversed: bool
    """Whether the labels' slices are in the opposite order."""
    before: float
    """Mean share of the grey values' variance that the labels explain with the slices as they are."""
    after: float
    """The same with the slices turned."""


def find_turn(
    images: Sequence[Plane],
    labels: Sequence[Plane],
    part: tuple[slice, slice] | None = None,
    opposite: Sequence[Plane] | None = None,
) -> Fit:
    """Find how slices have to be turned so that their labels fit best.

    Args:
        images: a few slices (y, x).
        labels: the labels of each whole, uncropped slice (y, x).
        part: rows and columns of the whole that the slices are; None: all of it.
        opposite: the labels of the slice as far from the other end of the volume.
    """
    shares = {(name, False): _shares(images, labels, name, part) for name in TURNS}
    if opposite is not None:
        shares |= {(name, True): _shares(images, opposite, name, part) for name in TURNS}
    fitting = {key: values for key, values in shares.items() if values is not None}
    as_is = fitting.get(("none", False))
    if as_is is None or not as_is.size:
        return Fit("none", False, 0.0, 0.0)
    best = max(fitting, key=lambda key: float(fitting[key].mean()))
    before, after = float(as_is.mean()), float(fitting[best].mean())
    if after - before > _LEAST_GAIN and bool((fitting[best] >= as_is).all()):
        return Fit(*best, before, after)
    return Fit("none", False, before, before)


def _shares(
    images: Sequence[Plane], labels: Sequence[Plane], name: str, part: tuple[slice, slice] | None
) -> NDArray[np.float64] | None:
    """Return for each slice how much its labels explain when the slice is turned; None where the shapes differ."""
    # The labels turned back onto the slice as it is: a crop of the whole is then cut at its own place.
    back = next(other for other in TURNS if combine(name, other) == "none")
    found = []
    for image, whole in zip(images, labels, strict=True):
        label = turn(whole, back)
        label = label if part is None else label[part]
        if label.shape != image.shape:
            return None
        step = -(-max(image.shape) // SAMPLE_SIDE)
        found.append(explained(image[::step, ::step], label[::step, ::step]))
    return np.array(found)


def warn_of_turned_labels(name: str, fit: Fit, orientation: str) -> None:
    """Warn where labels fit a scan's volume better once it is mirrored or turned, and name the setting that turns it.

    Args:
        name: the scan.
        fit: what was found.
        orientation: how the reconstruction has been turned already.
    """
    if fit.turn == "none" and not fit.reversed:
        return
    turned = f" turned by {fit.turn}" if fit.turn != "none" else ""
    advice = f"Set reconstruction: {{orientation: {combine(orientation, fit.turn)}}} for this scan, or turn the labels"
    if fit.reversed:
        turned += " with its slices in the opposite order"
        advice = "Reverse the order of the label slices" + (f". {advice}" if fit.turn != "none" else "")
    warn(
        "scan %s: its labels fit the volume better%s: they explain %.0f %% of the grey values' variance then, %.0f %% "
        "as it is. Were they drawn on another program's volume? %s",
        name, turned, 100 * fit.after, 100 * fit.before, advice,
    )  # fmt: skip
