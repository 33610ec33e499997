"""Reading single images: PNG, JPEG and TIFF of any depth; grey, palette, RGB, RGBA and CMYK."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scan2seg.errors import InputError, explain_surroundings
from scan2seg.memory import available_memory

TIFF_SUFFIXES = (".tif", ".tiff")
SUFFIXES = (*TIFF_SUFFIXES, ".png", ".jpg", ".jpeg", ".bmp")

_LARGE = 2**28
"""Bytes of an image above which it is compared with the free memory."""

# EXIF and TIFF 6.0, tag 274: where the stored first row and column belong in the upright image.
_ORIENTATION = 274
_UPRIGHT = {
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: pixels.swapaxes(0, 1)[:, ::-1],
    7: lambda pixels: pixels.swapaxes(0, 1)[::-1, ::-1],
    8: lambda pixels: pixels.swapaxes(0, 1)[::-1],
}


class Header(NamedTuple):
    """What is known of an image without its pixels."""

    height: int
    """Of the upright image."""
    width: int
    dtype: np.dtype[Any]
    """The type that ``read_image`` returns."""
    orientation: int
    """The orientation that a TIFF says (1 is upright) and ``read_image`` does not apply; 1 of other files."""


def read_header(path: Path) -> Header:
    """Read size, type and orientation from the header alone.

    Raises:
        InputError: the file is missing, truncated, no image or several.
    """
    try:
        if path.suffix.lower() in TIFF_SUFFIXES:
            from scan2seg.readers.tiff_images import read_tiff_header

            height, width, dtype, orientation = read_tiff_header(path)
            return Header(height, width, dtype, orientation)
        with _open_pillow(path) as image:
            turned = _orientation_of(image) >= 5
            height, width = (image.width, image.height) if turned else (image.height, image.width)
            return Header(height, width, _type_of(image, path), 1)
    except InputError:
        raise
    except Exception as error:
        raise InputError(_cannot_read(path, error)) from None


def image_size(path: Path) -> tuple[int, int]:
    """Read (height, width) of the upright image from the header alone.

    Raises:
        InputError: the file is missing, truncated, no image or several.
    """
    header = read_header(path)
    return header.height, header.width


def read_image(path: Path) -> NDArray[Any]:
    """Read one image as (y, x) or (y, x, channel), in the file's own type.

    Palettes and CMYK become RGB, alpha goes, and what EXIF says is turned is made upright. A TIFF's orientation is not
    applied, as in tifffile, scikit-image and Fiji.

    Raises:
        InputError: the file cannot be read, or holds no single two-dimensional image of real numbers.
    """
    return _read(path, palette_colours=True)


def read_label(path: Path, colours: bool = False) -> NDArray[Any]:
    """Read one label image as (y, x), or (y, x, 3) where it holds colours; one bit a pixel is bool.

    ``colours``: a palette's entries are meant; otherwise its indices are.

    Raises:
        InputError: as for ``read_image``, or it has neither one channel nor three.
    """
    pixels = _read(path, palette_colours=colours)
    if pixels.ndim == 3 and pixels.shape[2] != 3:
        raise InputError(f"{path}: has {pixels.shape[2]} channels; a label has one, or three for colours")
    return pixels


def _read(path: Path, palette_colours: bool) -> NDArray[Any]:
    try:
        if path.suffix.lower() in TIFF_SUFFIXES:
            from scan2seg.readers.tiff_images import read_tiff_image

            pixels = read_tiff_image(path, palette_colours)
        else:
            pixels = _read_pillow(path, palette_colours)
    except InputError:
        raise
    except Exception as error:
        raise InputError(_cannot_read(path, error)) from None
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[:, :, 0]
    if pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] > 4):
        raise InputError(f"{path}: holds an array of shape {pixels.shape}; one grey or colour image is needed")
    if pixels.dtype.kind not in "buif":
        raise InputError(f"{path}: holds {pixels.dtype} values; an image holds real numbers")
    return pixels


def _open_pillow(path: Path) -> Any:
    from PIL import Image

    # its limit takes whole-slide scans for attacks; ``_check_memory`` bounds what is decoded by what there is room for
    Image.MAX_IMAGE_PIXELS = None
    image = Image.open(path)
    frames = getattr(image, "n_frames", 1)
    # an MPO is a JPEG with previews or second views behind it
    if frames > 1 and image.format != "MPO":
        image.close()
        raise InputError(f"{path}: holds {frames} frames; an image is one. Save the frame that is meant")
    return image


def _read_pillow(path: Path, palette_colours: bool) -> NDArray[Any]:
    with _open_pillow(path) as image:
        orientation = _orientation_of(image)
        _check_memory(image, path)
        if _is_deep_colour(image, path):
            # Pillow keeps the upper eight bits of these
            import imagecodecs

            pixels: NDArray[Any] = np.asarray(imagecodecs.png_decode(path.read_bytes()))
            pixels = pixels[:, :, : pixels.shape[2] - (pixels.shape[2] in (2, 4))]
        else:
            image.load()
            mode = {"LA": "L", "La": "L", "PA": "P"}.get(image.mode, image.mode)
            plain = mode in ("1", "L") or mode.startswith(("I", "F")) or (mode == "P" and not palette_colours)
            mode = mode if plain else "RGB"
            pixels = np.asarray(image if mode == image.mode else image.convert(mode))
    return np.ascontiguousarray(_UPRIGHT[orientation](pixels)) if orientation in _UPRIGHT else pixels


def _check_memory(image: Any, path: Path) -> None:
    """Refuse an image that would not fit into memory beside the copy of it that is returned."""
    needed = 2 * image.width * image.height * len(image.getbands()) * _type_of(image, path).itemsize
    # what is free takes longer to find than a small image to read
    if needed > _LARGE and needed > (free := available_memory()):
        size = f"is {image.height} x {image.width} pixels, which take {needed / 1e9:.3g} GB of memory"
        raise InputError(f"{path}: {size}, {free / 1e9:.3g} GB are free; give more, or cut the image into parts")


def _orientation_of(image: Any) -> int:
    # Of a PNG, asking for EXIF data that are not in front of the pixels decodes the pixels.
    if image.format == "PNG" and "exif" not in image.info:
        return 1
    return int(image.getexif().get(_ORIENTATION, 1))


def _type_of(image: Any, path: Path) -> np.dtype[Any]:
    if _is_deep_colour(image, path) or image.mode.startswith("I;16"):
        return np.dtype(np.uint16)
    return np.dtype({"1": bool, "I": np.int32, "F": np.float32}.get(image.mode, np.uint8))


def _is_deep_colour(image: Any, path: Path) -> bool:
    """Tell whether this is a PNG with 16 bits a channel and more than one channel."""
    if image.format != "PNG" or image.mode not in ("RGB", "RGBA", "LA"):
        return False
    with path.open("rb") as file:
        return file.read(25)[24] == 16


def _cannot_read(path: Path, error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return f"{path}: there is no such file"
    if reason := explain_surroundings(path, error):
        return reason
    return f"{path}: cannot be read as an image ({error or type(error).__name__}); is it complete?"
