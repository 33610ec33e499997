"""Parallel-beam projection by exact areas: a square pixel's shadow is a trapezoid, shared out over the detector.

Convention, for a slice (y, x) with rows counted downwards and pixel centres at whole numbers: the rotation axis
is at the slice's middle, and the point (x, y) measured from it falls, at angle theta, on the detector at

    column = centre + x cos(theta) - y sin(theta).

At 0 degrees the beam runs along a column of the image and the detector sees the image's columns; at 90 degrees it
sees the image's rows, bottom row first. With growing angle the detector turns from +x to -y: anticlockwise on a
picture whose rows run downwards, about a fixed specimen; that is, the specimen turns clockwise before a fixed
detector. TomoPy's projector and scikit-image's ``radon`` turn the same way.

The operator shares nothing with a reconstruction's interpolation or filtering.
"""

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def project(
    slice_attenuation: ArrayLike, angles: ArrayLike, centre: ArrayLike, columns: int | None = None
) -> NDArray[np.float32]:
    """Integrate a slice along parallel rays, averaged over the width of each detector pixel.

    Args:
        slice_attenuation: Attenuation per pixel, (y, x); each pixel is a square of constant value.
        angles: Angles in degrees, (projection,).
        centre: Column of the rotation axis, one number or one for each projection.
        columns: Number of detector columns, as wide as pixels; by default the slice's width.

    Returns:
        Line integrals, (projection, column), exact up to float rounding.
    """
    image = np.asarray(slice_attenuation, np.float32)
    if image.ndim != 2:
        raise ValueError(f"a slice has two axes, not {image.ndim}")
    radians = np.deg2rad(np.atleast_1d(np.asarray(angles, np.float64)))
    centres = np.broadcast_to(np.asarray(centre, np.float64), radians.shape)
    rows, places = np.nonzero(image)
    sinogram = np.zeros((len(radians), columns or image.shape[1]), np.float32)
    _project_pixels(
        places - (image.shape[1] - 1) / 2,
        rows - (image.shape[0] - 1) / 2,
        image[rows, places],
        np.cos(radians),
        np.sin(radians),
        np.ascontiguousarray(centres),
        sinogram,
    )
    return sinogram


def project_disc(radius: float, angles: ArrayLike, centre: ArrayLike, columns: int) -> Floats:
    """Integrate a disc of value 1 around the rotation axis, averaged over each detector pixel, in closed form.

    Returns:
        Line integrals, (projection, column).
    """
    centres = np.broadcast_to(np.asarray(centre, np.float64), np.atleast_1d(angles).shape)
    edges = np.clip(np.arange(columns + 1) - 0.5 - centres[:, None], -radius, radius)
    area = edges * np.sqrt(np.maximum(radius**2 - edges**2, 0)) + radius**2 * np.arcsin(edges / radius)
    return np.diff(area, axis=1)


@njit(nogil=True, cache=True, fastmath=True)  # type: ignore[untyped-decorator]
def _shadow_share(edge: float, long: float, short: float) -> float:
    """Return the share of a unit square's shadow left of an edge, where its sides project to long >= short."""
    outer, inner = (long + short) / 2, (long - short) / 2
    area = max(edge + outer, 0.0) ** 2 - max(edge + inner, 0.0) ** 2
    area += max(edge - outer, 0.0) ** 2 - max(edge - inner, 0.0) ** 2
    return area / (2 * long * short)


@njit(nogil=True, cache=True, fastmath=True)  # type: ignore[untyped-decorator]
def _project_pixels(
    x: Floats,
    y: Floats,
    values: NDArray[np.float32],
    cosines: Floats,
    sines: Floats,
    centres: Floats,
    sinogram: NDArray[np.float32],
) -> None:
    columns = sinogram.shape[1]
    # Column c is place c + 2: shadows that fall off the detector end in the margins.
    line = np.zeros(columns + 4)
    for angle in range(len(cosines)):
        line[:] = 0
        cosine, sine = cosines[angle], sines[angle]
        # A side seen end-on has no width; this small one changes the shares by less than float32 resolves.
        long = max(abs(cosine), abs(sine))
        short = max(min(abs(cosine), abs(sine)), 1e-5)
        for pixel in range(len(values)):
            column = centres[angle] + x[pixel] * cosine - y[pixel] * sine
            column = min(max(column, -1.4), columns + 0.4)
            place = int(column + 2.5)
            left = _shadow_share(place - 2.5 - column, long, short)
            upto = _shadow_share(place - 1.5 - column, long, short)
            line[place - 1] += values[pixel] * left
            line[place] += values[pixel] * (upto - left)
            line[place + 1] += values[pixel] * (1 - upto)
        for column_index in range(columns):
            sinogram[angle, column_index] = line[column_index + 2]
