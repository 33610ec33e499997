"""A TIFF volume has all its slices, whichever program wrote it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from scan2seg.errors import InputError
from scan2seg.readers.tiff import open_series
from scan2seg.readers.volumes import open_volume

VOLUME = np.random.default_rng(0).integers(0, 60000, (7, 16, 18)).astype(np.uint16)


def page_by_page(path: Path, *, writer: dict[str, Any] | None = None, **options: Any) -> None:
    with tifffile.TiffWriter(path, **(writer or {})) as file:
        for plane in VOLUME:
            file.write(plane, **options)


def with_thumbnails(path: Path) -> None:
    with tifffile.TiffWriter(path) as file:
        for plane in VOLUME:
            file.write(plane, metadata=None)
            file.write(plane[::4, ::4], subfiletype=1, metadata=None)


def with_pyramid(path: Path) -> None:
    with tifffile.TiffWriter(path) as file:
        file.write(VOLUME, photometric="minisblack", subifds=1)
        file.write(VOLUME[:, ::2, ::2], photometric="minisblack", subfiletype=1)


def in_blocks(path: Path) -> None:
    with tifffile.TiffWriter(path) as file:
        file.write(VOLUME[:5], photometric="minisblack")
        file.write(VOLUME[5:6], photometric="minisblack")
        file.write(VOLUME[6], photometric="minisblack")


def by_pillow(path: Path) -> None:
    first, *rest = (Image.fromarray(plane) for plane in VOLUME)
    first.save(path, save_all=True, append_images=rest)


WRITERS: dict[str, Callable[[Path], None]] = {
    "one series": lambda path: tifffile.imwrite(path, VOLUME),
    "one page header": lambda path: tifffile.imwrite(path, VOLUME, truncate=True),
    "page by page": page_by_page,
    "page by page, contiguous": lambda path: page_by_page(path, contiguous=True),
    "page by page, apart": lambda path: page_by_page(path, contiguous=False, compression="zlib"),
    "without description": lambda path: page_by_page(path, metadata=None),
    "imagej": lambda path: tifffile.imwrite(path, VOLUME, imagej=True),
    "imagej hyperstack": lambda path: tifffile.imwrite(
        path, VOLUME[None, :, None], imagej=True, metadata={"axes": "TZCYX"}
    ),
    "imagej page by page": lambda path: page_by_page(path, writer={"imagej": True}, contiguous=True),
    "ome": lambda path: tifffile.imwrite(path, VOLUME, ome=True, metadata={"axes": "ZYX"}),
    "ome, an image a page": lambda path: page_by_page(path, writer={"ome": True}),
    "big, tiled": lambda path: tifffile.imwrite(path, VOLUME, bigtiff=True, tile=(16, 16)),
    "thumbnails": with_thumbnails,
    "pyramid": with_pyramid,
    "blocks": in_blocks,
    "pillow": by_pillow,
}


@pytest.mark.parametrize("writer", WRITERS)
def test_every_page_is_a_slice(tmp_path: Path, writer: str) -> None:
    WRITERS[writer](tmp_path / "v.tif")
    volume = open_volume(tmp_path / "v.tif")
    assert volume.shape == VOLUME.shape and volume.dtype == VOLUME.dtype
    for axis, index in ((0, 0), (0, 4), (0, 6), (1, 9), (2, 17)):
        assert np.array_equal(volume.plane(axis, index), VOLUME.take(index, axis))


def test_a_single_page_is_a_volume_of_one_slice(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "v.tif", VOLUME[0])
    assert np.array_equal(open_volume(tmp_path / "v.tif").plane(0, 0), VOLUME[0])
    assert np.array_equal(open_volume(tmp_path / "v.tif").plane(1, 3), VOLUME[:1, 3])


def _odd_page(path: Path) -> None:
    with tifffile.TiffWriter(path) as file:
        for plane in (VOLUME[0], VOLUME[1, :8], VOLUME[2]):
            file.write(plane)


def _several_volumes(path: Path) -> None:
    with tifffile.TiffWriter(path, ome=True) as file:
        for _ in range(2):
            file.write(VOLUME, metadata={"axes": "ZYX"}, photometric="minisblack")


def _cut(path: Path) -> None:
    by_pillow(path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def _cut_before_its_pages(path: Path) -> None:
    tifffile.imwrite(path, VOLUME, metadata=None)
    path.write_bytes(path.read_bytes()[:2000])


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (_odd_page, "its pages differ \\(16 x 18 uint16, 8 x 18 uint16\\)"),
        (_several_volumes, "holds 2 volumes"),
        (lambda path: tifffile.imwrite(path, np.zeros((9, 8, 3), np.uint8)), "holds colours"),
        (
            lambda path: tifffile.imwrite(path, VOLUME.reshape(1, 7, 4, 4, 18), imagej=True),
            "has axes ZCYX of lengths \\(7, 4, 4, 18\\)",
        ),
        (_cut, "ends before its last page"),
        (_cut_before_its_pages, "ends before its last page"),
    ],
)
def test_what_is_no_single_volume_is_refused(tmp_path: Path, write: Callable[[Path], None], message: str) -> None:
    write(tmp_path / "v.tif")
    with pytest.raises(InputError, match=message):
        open_volume(tmp_path / "v.tif")


@pytest.mark.parametrize("writer", WRITERS)
def test_a_scan_has_every_page_too(tmp_path: Path, writer: str) -> None:
    WRITERS[writer](tmp_path / "p.tif")
    frames, close = open_series([tmp_path / "p.tif"])
    assert frames.shape == VOLUME.shape
    assert np.array_equal(frames.read(slice(1, 7, 2), slice(5, 11)), VOLUME[1::2, 5:11])
    close()


def test_files_of_a_scan_may_have_thumbnails(tmp_path: Path) -> None:
    for index, plane in enumerate(VOLUME):
        with tifffile.TiffWriter(tmp_path / f"p_{index}.tif") as file:
            file.write(plane[::4, ::4], subfiletype=1)
            file.write(plane)
    frames, _ = open_series(sorted(tmp_path.iterdir()))
    assert np.array_equal(frames.read(slice(None), slice(0, 16)), VOLUME)


def test_a_page_that_was_never_written_is_refused(tmp_path: Path) -> None:
    by_pillow(tmp_path / "v.tif")
    with tifffile.TiffFile(tmp_path / "v.tif", mode="r+b") as file:
        file.pages[5].tags["StripByteCounts"].overwrite(0)
    for read in (open_volume, lambda path: open_series([path])):
        with pytest.raises(InputError, match="a part of its image was never written"):
            read(tmp_path / "v.tif")
