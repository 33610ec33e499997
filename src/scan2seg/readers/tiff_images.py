"""One image of a TIFF file: its channels last, without alpha, thumbnails or other pages. Imported only for TIFF."""

from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from scan2seg.errors import InputError
from scan2seg.readers.tiff_series import full_series, long_axes

_CHANNELS_FIRST = ("SYX", "CYX")
_MOST_CHANNELS = 4


def read_tiff_header(path: Path) -> tuple[int, int, np.dtype[Any], int]:
    """Return height, width, type of the pixels and orientation of the one image.

    Raises:
        InputError: the file holds several pages, or none.
    """
    with tifffile.TiffFile(path) as tiff:
        series = _single_series(tiff, path)
        page = series.keyframe
        dtype = np.dtype(np.uint8) if page.photometric == tifffile.PHOTOMETRIC.PALETTE else np.dtype(series.dtype)
        orientation = page.tags.get("Orientation")
        return int(page.imagelength), int(page.imagewidth), dtype, int(orientation.value) if orientation else 1


def read_tiff_image(path: Path, palette_colours: bool) -> NDArray[Any]:
    """Return the one image as (y, x) or (y, x, channel); CMYK becomes RGB, palettes where asked.

    Raises:
        InputError: the file holds several pages, or none.
    """
    with tifffile.TiffFile(path) as tiff:
        series = _single_series(tiff, path)
        page = series.keyframe
        axes, shape = long_axes(series)
        pixels: NDArray[Any] = np.asarray(series.asarray()).reshape(shape)
    if axes in _CHANNELS_FIRST:
        pixels = np.moveaxis(pixels, 0, 2)
    if page.photometric == tifffile.PHOTOMETRIC.PALETTE:
        return (page.colormap[:, pixels] >> 8).astype(np.uint8).transpose(1, 2, 0) if palette_colours else pixels
    if pixels.ndim == 2:
        return pixels
    if page.photometric == tifffile.PHOTOMETRIC.SEPARATED and pixels.shape[2] >= 4:
        return _to_rgb(pixels)
    return pixels[:, :, : pixels.shape[2] - _count_alpha(page, pixels.shape[2])]


def _single_series(tiff: tifffile.TiffFile, path: Path) -> Any:
    series = full_series(tiff, path)
    axes, shape = long_axes(series[0])
    single = axes in ("YX", "YXS", "YXC") or (axes in _CHANNELS_FIRST and shape[0] <= _MOST_CHANNELS)
    if len(series) > 1 or not single:
        held = f"{len(series)} images" if len(series) > 1 else f"pages of axes {axes} and lengths {shape}"
        raise InputError(
            f"{path}: holds {held}; an image is one page, grey or of up to {_MOST_CHANNELS} channels. "
            "Give it as a volume (kind: volume), or save each page as a file"
        )
    return series[0]


def _count_alpha(page: Any, channels: int) -> int:
    """Count the last channels that are alpha; a fourth beside RGB is, also where the file does not say."""
    alpha = sum(int(kind) in (1, 2) for kind in page.extrasamples)
    return alpha or int(page.photometric == tifffile.PHOTOMETRIC.RGB and channels == 4)


def _to_rgb(pixels: NDArray[Any]) -> NDArray[Any]:
    """Turn cyan, magenta, yellow and black (TIFF 6.0, section 16) into the light that is left, in the same type."""
    most = np.iinfo(pixels.dtype).max
    left = (most - pixels[:, :, :4].astype(np.float64)) / most
    return np.asarray(np.round(left[:, :, :3] * left[:, :, 3:] * most)).astype(pixels.dtype)
