"""Multi-page TIFF volumes, also those whose pages are a series each."""

from pathlib import Path
from threading import Lock
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
    """Open the pages of a TIFF as (z, y, x), without thumbnails and smaller copies.

    Raises:
        InputError: pages differ in size or type, are colours, or are those of several volumes.
    """
    import tifffile

    from scan2seg.readers.tiff_series import full_series
    from scan2seg.readers.tiff_spacing import find_spacing

    tiff = tifffile.TiffFile(path)
    try:
        series = full_series(tiff, path)
        _check_one_volume(series, path)
        blocks = [_open_block(item) for item in series]
    except BaseException:
        tiff.close()
        raise
    places = [(block, index) for block in blocks for index in range(block.shape[0])]
    lock = Lock()  # the pages share a file whose position moves

    def plane(axis: int, index: int) -> NDArray[Any]:
        with lock:
            if axis == 0:
                block, place = places[index]
                return np.asarray(block[place])
            cut = (slice(None), index) if axis == 1 else (slice(None), slice(None), index)
            return np.concatenate([np.asarray(block[cut]) for block in blocks])

    return Volume((len(places), *blocks[0].shape[1:]), series[0].dtype, plane, find_spacing(tiff))


def _check_one_volume(series: list[Any], path: Path) -> None:
    from scan2seg.readers.tiff_series import long_axes

    forms = [long_axes(item) for item in series]
    for axes, shape in forms:
        if axes.endswith("S"):
            raise InputError(f"{path}: holds colours ({axes}, {shape}); the slices of a volume are grey")
        if len(axes) > 3 or axes[-2:] != "YX":
            raise InputError(
                f"{path}: has axes {axes} of lengths {shape}; a volume has one axis besides Y and X. "
                "Save one channel and one time a file"
            )
    pages = {(shape[-2:], str(item.dtype)) for (_, shape), item in zip(forms, series, strict=True)}
    if len(pages) > 1:
        listed = ", ".join(sorted(f"{height} x {width} {dtype}" for (height, width), dtype in pages))
        raise InputError(f"{path}: its pages differ ({listed}); the slices of a volume have one size and type")
    if len(series) > 1 and series[0].kind == "ome" and any(len(axes) > 2 for axes, _ in forms):
        raise InputError(f"{path}: holds {len(series)} volumes, not one. Save each as a file of its own")


class _Page:
    """A page that is read when asked for, as an array of one slice."""

    def __init__(self, series: Any) -> None:
        self.series = series
        self.shape = (1, *(int(length) for length in series.get_shape(squeeze=True)[-2:]))

    def __getitem__(self, place: Any) -> NDArray[Any]:
        pixels: NDArray[Any] = np.asarray(self.series.asarray()).reshape(self.shape)[place]
        return pixels


class _Stack:
    """A series of several pages, read a part at a time."""

    def __init__(self, series: Any) -> None:
        import zarr

        data: Any = zarr.open(series.aszarr(), mode="r")
        self.data = data if isinstance(data, zarr.Array) else data["0"]
        letters = zip(series.axes, self.data.shape, strict=True)
        self.free = [number for number, (axis, length) in enumerate(letters) if length > 1 or axis in "YX"]
        self.shape = tuple(int(self.data.shape[number]) for number in self.free)

    def __getitem__(self, place: Any) -> NDArray[Any]:
        whole: list[Any] = [0] * self.data.ndim
        asked = place if isinstance(place, tuple) else (place,)
        for number, item in zip(self.free, (*asked, slice(None), slice(None)), strict=False):
            whole[number] = item
        pixels: NDArray[Any] = np.asarray(self.data[tuple(whole)])
        return pixels


def _open_block(series: Any) -> Any:
    from scan2seg.readers.tiff_series import long_axes

    return _Page(series) if len(long_axes(series)[0]) == 2 else _Stack(series)
