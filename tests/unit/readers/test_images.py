"""Images of every mode, type and orientation come out as a viewer shows them."""

import warnings
from collections.abc import Callable
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps

from scan2seg.errors import InputError
from scan2seg.readers import images
from scan2seg.readers.images import image_size, read_header, read_image, read_label

RANDOM = np.random.default_rng(0)
GREY = RANDOM.integers(0, 256, (9, 13)).astype(np.uint8)
DEEP = RANDOM.integers(0, 65536, (9, 13)).astype(np.uint16)
RGB = RANDOM.integers(0, 256, (9, 13, 3)).astype(np.uint8)
DEEP_RGB = RANDOM.integers(0, 65536, (9, 13, 3)).astype(np.uint16)
PALETTE = Image.fromarray(RGB).quantize(4)
CMYK = np.zeros((9, 13, 4), np.uint8)
CMYK[..., 0], CMYK[..., 3] = 255, 128


def alpha(pixels: np.ndarray) -> np.ndarray:
    pixels = pixels if pixels.ndim == 3 else pixels[:, :, None]
    return np.concatenate([pixels, np.full_like(pixels[:, :, :1], 7)], axis=2)


def png(pixels: np.ndarray) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(imagecodecs.png_encode(pixels)) and None


def pillow(pixels: np.ndarray | Image.Image, **options: object) -> Callable[[Path], None]:
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    return lambda path: image.save(path, **options)


def tiff(pixels: np.ndarray, **options: object) -> Callable[[Path], None]:
    return lambda path: tifffile.imwrite(path, pixels, **options)


def with_thumbnail(path: Path) -> None:
    with tifffile.TiffWriter(path) as file:
        file.write(GREY[::3, ::3], subfiletype=1)
        file.write(GREY)


FORMS = {
    "grey.png": (pillow(GREY), GREY),
    "grey16.png": (pillow(DEEP), DEEP),
    "one_bit.png": (pillow(GREY > 128), GREY > 128),
    "grey_alpha.png": (pillow(alpha(GREY)), GREY),
    "grey_alpha16.png": (png(alpha(DEEP)), DEEP),
    "rgb.png": (pillow(RGB), RGB),
    "rgba.png": (pillow(alpha(RGB)), RGB),
    "rgb16.png": (png(DEEP_RGB), DEEP_RGB),
    "rgba16.png": (png(alpha(DEEP_RGB)), DEEP_RGB),
    "palette.png": (pillow(PALETTE), np.asarray(PALETTE.convert("RGB"))),
    "upper.BMP": (pillow(RGB), RGB),
    "grey.tif": (tiff(GREY), GREY),
    "float.TIF": (tiff(GREY / np.float32(3)), GREY / np.float32(3)),
    "rgb16.tif": (tiff(DEEP_RGB, photometric="rgb"), DEEP_RGB),
    "planar.tif": (tiff(np.moveaxis(RGB, 2, 0), photometric="rgb", planarconfig="separate"), RGB),
    "rgba.tif": (tiff(alpha(RGB), photometric="rgb"), RGB),
    "grey_alpha.tif": (pillow(Image.fromarray(alpha(GREY))), GREY),
    "palette.tif": (pillow(PALETTE), np.asarray(PALETTE.convert("RGB"))),
    "two_channels.tif": (tiff(np.moveaxis(alpha(DEEP), 2, 0), imagej=True, metadata={"axes": "CYX"}), alpha(DEEP)),
    "thumbnail.tif": (with_thumbnail, GREY),
}


@pytest.mark.parametrize("name", FORMS)
def test_pixels_keep_their_type_and_lose_their_alpha(tmp_path: Path, name: str) -> None:
    write, expected = FORMS[name]
    write(tmp_path / name)
    found = read_image(tmp_path / name)
    assert np.array_equal(found, expected)
    assert read_header(tmp_path / name)[:3] == (*expected.shape[:2], expected.dtype) and found.dtype == expected.dtype


@pytest.mark.parametrize("name", ["a.tif", "a.jpg"])
def test_black_ink_darkens_the_colours_of_cmyk(tmp_path: Path, name: str) -> None:
    Image.fromarray(CMYK, mode="CMYK").save(tmp_path / name)
    # full cyan takes all red; half of the ink is black, so half of the rest stays
    assert np.abs(read_image(tmp_path / name).astype(int) - [0, 127, 127]).max() <= 3


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_a_label_with_a_palette_is_its_indices_or_its_colours(tmp_path: Path, name: str) -> None:
    PALETTE.save(tmp_path / name)
    assert np.array_equal(read_label(tmp_path / name), np.asarray(PALETTE))
    assert np.array_equal(read_label(tmp_path / name, colours=True), np.asarray(PALETTE.convert("RGB")))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_turned_images_are_upright(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(RGB).save(tmp_path / "a.png", exif=exif)
    with Image.open(tmp_path / "a.png") as image:
        expected = np.asarray(ImageOps.exif_transpose(image))
    assert np.array_equal(read_image(tmp_path / "a.png"), expected)
    assert np.array_equal(read_label(tmp_path / "a.png"), expected)
    assert image_size(tmp_path / "a.png") == expected.shape[:2]


def _animate(path: Path) -> None:
    Image.fromarray(GREY).save(path, "GIF", save_all=True, append_images=[Image.fromarray(255 - GREY)])


@pytest.mark.parametrize(
    ("name", "write", "message"),
    [
        ("a.tif", tiff(np.stack([GREY] * 3), photometric="minisblack"), "holds pages of axes QYX and lengths"),
        ("a.tif", tiff(np.stack([GREY] * 7), imagej=True), "pages of axes CYX.*kind: volume"),
        ("a.tif", lambda path: _write_apart(path), "holds 2 images; an image is one page"),
        ("a.tif", tiff(GREY.astype(np.complex64)), "holds complex64 values"),
        ("a.png", _animate, "holds 2 frames"),
    ],
)
def test_what_is_no_single_image_is_refused(
    tmp_path: Path, name: str, write: Callable[[Path], None], message: str
) -> None:
    write(tmp_path / name)
    with pytest.raises(InputError, match=message):
        read_image(tmp_path / name)


def _write_apart(path: Path) -> None:
    with tifffile.TiffWriter(path) as file:
        for _ in range(2):
            file.write(GREY)


def test_a_large_image_is_bound_by_memory_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(RGB).save(tmp_path / "a.png")
    for limit in (100, 20):  # Pillow warns of the one and refuses the other
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert np.array_equal(read_image(tmp_path / "a.png"), RGB)
            assert image_size(tmp_path / "a.png") == RGB.shape[:2]
    monkeypatch.setattr(images, "_LARGE", 0)
    monkeypatch.setattr(images, "available_memory", lambda: 2 * RGB.nbytes)
    assert np.array_equal(read_image(tmp_path / "a.png"), RGB)
    monkeypatch.setattr(images, "available_memory", lambda: 2 * RGB.nbytes - 1)
    height, width = RGB.shape[:2]
    with pytest.raises(InputError, match=rf"a\.png: is {height} x {width} pixels, which take .* GB of memory, .* free"):
        read_image(tmp_path / "a.png")
