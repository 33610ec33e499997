"""Multi-page TIFF volumes."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scan2seg.config.base import Settings
from scan2seg.errors import InputError
from scan2seg.readers.volumes import Volume

SUFFIXES = (".tif", ".tiff")


class Params(Settings):
    """Settings of the reader."""

    key: str | None = None
    """Not used: a TIFF holds one volume."""


def open_volume(path: Path, params: Params) -> Volume:
    """Open the pages of a TIFF as (z, y, x)."""
    import tifffile
    import zarr

    tiff = tifffile.TiffFile(path)
    series = tiff.series[0]
    shape = tuple(int(length) for length in series.shape if length != 1) if series.ndim > 3 else tuple(series.shape)
    if len(shape) == 2:
        shape = (1, *shape)
    if len(shape) != 3:
        raise InputError(f"{path}: holds an array of shape {series.shape}; a volume (z, y, x) is needed")
    data: Any = zarr.open(series.aszarr(), mode="r")
    data = data if isinstance(data, zarr.Array) else data["0"]
    squeezed = tuple(slice(None) if length != 1 else 0 for length in data.shape) if data.ndim > 3 else ()

    def plane(axis: int, index: int) -> NDArray[Any]:
        if data.ndim == 2:
            single: NDArray[Any] = np.asarray(data)[None].take(index, axis=axis)
            return single
        place: list[Any] = list(squeezed) or [slice(None)] * 3
        free = [number for number, item in enumerate(place) if isinstance(item, slice)]
        place[free[axis]] = index
        cut: NDArray[Any] = np.asarray(data[tuple(place)])
        return cut

    return Volume(shape, series.dtype, plane)
