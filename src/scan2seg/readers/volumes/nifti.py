"""NIfTI volumes; the file's (x, y, z) becomes (z, y, x)."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scan2seg.config.base import Settings
from scan2seg.errors import InputError
from scan2seg.readers.volumes import Volume

SUFFIXES = (".nii", ".nii.gz")


class Params(Settings):
    """Settings of the reader."""

    key: str | None = None
    """Not used: a NIfTI file holds one array."""


def open_volume(path: Path, params: Params) -> Volume:
    """Open a three-dimensional image; scaling of the header is applied."""
    import nibabel

    image = nibabel.load(path)
    shape = tuple(int(length) for length in image.shape)
    if len(shape) == 4 and shape[3] == 1:
        shape = shape[:3]
    if len(shape) != 3:
        raise InputError(f"{path}: has shape {shape}; give one file a channel, each (x, y, z)")
    data = image.dataobj

    def plane(axis: int, index: int) -> NDArray[Any]:
        place: list[Any] = [slice(None)] * 3
        place[2 - axis] = index
        return np.asarray(data[tuple(place)]).reshape([n for i, n in enumerate(shape) if i != 2 - axis]).T

    return Volume((shape[2], shape[1], shape[0]), data.dtype, plane)
