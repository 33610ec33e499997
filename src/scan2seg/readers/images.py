"""Reading single images: PNG, JPEG and TIFF of any depth; grey, palette, RGB and RGBA."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scan2seg.errors import InputError

TIFF_SUFFIXES = (".tif", ".tiff")
SUFFIXES = (*TIFF_SUFFIXES, ".png", ".jpg", ".jpeg", ".bmp")


def image_size(path: Path) -> tuple[int, int]:
    """Read (height, width) from the header alone.

    Raises:
        InputError: the file is missing, truncated or no image.
    """
    try:
        if path.suffix.lower() in TIFF_SUFFIXES:
            import tifffile

            with tifffile.TiffFile(path) as tiff:
                page = tiff.pages[0]
                return int(page.imagelength), int(page.imagewidth)
        from PIL import Image

        with Image.open(path) as image:
            return image.height, image.width
    except Exception as error:
        raise InputError(_cannot_read(path, error)) from None


def read_image(path: Path) -> NDArray[Any]:
    """Read one image as (y, x) or (y, x, channel), in the file's own type; palettes become colours, alpha goes.

    Raises:
        InputError: the file cannot be read, or holds no single two-dimensional image.
    """
    pixels = _read(path, keep_palette=False)
    if pixels.ndim == 3 and pixels.shape[2] == 2:
        pixels = pixels[:, :, 0]
    return pixels[:, :, :3] if pixels.ndim == 3 and pixels.shape[2] == 4 else pixels


def read_label(path: Path) -> NDArray[Any]:
    """Read one label image as (y, x), or (y, x, 3) where it holds colours; palette indices stay indices.

    Raises:
        InputError: as for ``read_image``.
    """
    pixels = _read(path, keep_palette=True)
    if pixels.ndim == 3:
        pixels = pixels[:, :, 0] if pixels.shape[2] <= 2 else pixels[:, :, :3]
    return pixels.astype(np.uint8) if pixels.dtype == bool else pixels


def _read(path: Path, keep_palette: bool) -> NDArray[Any]:
    try:
        if path.suffix.lower() in TIFF_SUFFIXES:
            pixels = _read_tiff(path)
        else:
            from PIL import Image

            with Image.open(path) as image:
                image.load()
                pixels = np.asarray(image.convert("RGB") if image.mode == "P" and not keep_palette else image)
    except Exception as error:
        raise InputError(_cannot_read(path, error)) from None
    if pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] > 4):
        raise InputError(f"{path}: holds an array of shape {pixels.shape}; one grey or colour image is needed")
    return pixels


def _read_tiff(path: Path) -> NDArray[Any]:
    import tifffile

    with tifffile.TiffFile(path) as tiff:
        series = tiff.series[0]
        pixels: NDArray[Any] = np.squeeze(series.asarray())
        planar = "S" in series.axes and series.axes.index("S") == 0
    # channels may come first in the file (planar configuration)
    if pixels.ndim == 3 and pixels.shape[2] > 4 and (planar or pixels.shape[0] <= 4):
        pixels = np.moveaxis(pixels, 0, 2)
    return pixels


def _cannot_read(path: Path, error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return f"{path}: there is no such file"
    return f"{path}: cannot be read as an image ({error or type(error).__name__}); is it complete?"
