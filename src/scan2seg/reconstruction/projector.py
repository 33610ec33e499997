"""Line integrals of a slice and their exact adjoint, for iterative methods: pixels cast shadows, shared linearly."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from scan2seg.reconstruction.filters import detector_direction
from scan2seg.reconstruction.jit import compiled_fast

Image = NDArray[np.float32]


def directions(angles: NDArray[np.float64], centre: float, size: int) -> NDArray[np.float32]:
    """Return (projections, 3): the detector's direction across and down, and the column that sees pixel (0, 0)."""
    across, down = detector_direction(angles)
    return np.stack([across, down, centre - (across + down) * (size - 1) / 2], axis=1).astype(np.float32)


def forward(image: Image, along: NDArray[np.float32], columns: int) -> Image:
    """Project (size, size) to (projections, columns)."""
    sinogram = np.zeros((len(along), columns), np.float32)
    _forward(image, along, sinogram)
    return sinogram


def backward(sinogram: Image, along: NDArray[np.float32], size: int) -> Image:
    """Backproject (projections, columns) to (size, size): the transpose of ``forward``."""
    image = np.zeros((size, size), np.float32)
    _backward(sinogram, along, image)
    return image


@compiled_fast
def _forward(image: Any, along: Any, sinogram: Any) -> None:
    columns = sinogram.shape[1]
    for p in range(sinogram.shape[0]):
        line = sinogram[p]
        for i in range(image.shape[0]):
            start = along[p, 2] + along[p, 1] * np.float32(i)
            for j in range(image.shape[1]):
                place = start + along[p, 0] * np.float32(j)
                left = int(np.floor(place))
                part = place - np.float32(left)
                if 0 <= left < columns:
                    line[left] += image[i, j] * (np.float32(1) - part)
                if 0 <= left + 1 < columns:
                    line[left + 1] += image[i, j] * part


@compiled_fast
def _backward(sinogram: Any, along: Any, image: Any) -> None:
    columns = sinogram.shape[1]
    for p in range(sinogram.shape[0]):
        line = sinogram[p]
        for i in range(image.shape[0]):
            start = along[p, 2] + along[p, 1] * np.float32(i)
            for j in range(image.shape[1]):
                place = start + along[p, 0] * np.float32(j)
                left = int(np.floor(place))
                part = place - np.float32(left)
                value = np.float32(0)
                if 0 <= left < columns:
                    value += line[left] * (np.float32(1) - part)
                if 0 <= left + 1 < columns:
                    value += line[left + 1] * part
                image[i, j] += value
