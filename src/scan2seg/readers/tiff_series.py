"""The full-size images of a TIFF file, in whichever way the program that wrote it laid them out.

Some programs write a stack as one series, others as a series a page; thumbnails and the smaller levels of a pyramid
stand among the pages (TIFF 6.0, tag NewSubfileType) and are no images of their own.
"""

import struct
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import tifffile

from scan2seg.errors import InputError


def full_series(tiff: tifffile.TiffFile, path: Path) -> list[Any]:
    """List the series of full-size pages, in the order of the file.

    Raises:
        InputError: there are none, the list of pages is cut off, pages are in other files that are not there, or
            parts were never written, which would be read as zeros.
    """
    series = [item for item in tiff.series if not (item.keyframe.is_reduced or item.keyframe.is_mask)]
    if not series:
        raise InputError(f"{path}: holds no image")
    check_whole(tiff, path)
    absent = sum(page is None for item in series for page in item.pages)
    if absent:
        raise InputError(f"{path}: {absent} of its pages are in other files, which are missing; copy them beside it")
    # both are 0 of strips and tiles that are missing
    if not all(all(page.databytecounts) and all(page.dataoffsets) for item in series for page in item.pages):
        raise InputError(f"{path}: a part of its image was never written. Copy it again from its source")
    return series


@dataclass(frozen=True)
class Plane:
    """One grey image of a file."""

    page: Any
    """Its page, or the one that describes it and others."""
    offset: int | None
    """Where its pixels begin, row by row, if they are stored plainly; otherwise the page is decoded."""


def list_planes(tiff: tifffile.TiffFile, path: Path) -> list[Plane]:
    """List the full-size images, also of files that describe a whole stack in one page (ImageJ's beyond 4 GB).

    Raises:
        InputError: as for ``full_series``, or an image is in colours.
    """
    planes: list[Plane] = []
    for series in full_series(tiff, path):
        axes, shape = long_axes(series)
        if axes[-2:] != "YX":
            raise InputError(f"{path}: holds colours ({axes}, {shape}); grey images are needed")
        count, size = prod(shape[:-2]), prod(shape[-2:]) * series.dtype.itemsize
        if len(series.pages) == count:
            planes.extend(Plane(page, _plain_offset(page)) for page in series.pages)
        elif series.dataoffset is not None:
            planes.extend(Plane(series.keyframe, series.dataoffset + index * size) for index in range(count))
        else:
            raise InputError(f"{path}: describes {count} images in {len(series.pages)} pages; save a page each")
    return planes


def long_axes(series: Any) -> tuple[str, tuple[int, ...]]:
    """Return the letters and lengths of the axes of a series, without those of length one other than Y and X."""
    kept = [(axis, int(size)) for axis, size in zip(series.axes, series.shape, strict=True) if size > 1 or axis in "YX"]
    return "".join(axis for axis, _ in kept), tuple(size for _, size in kept)


def check_whole(tiff: tifffile.TiffFile, path: Path) -> None:
    """Refuse a file whose list of pages ends in a reference that leads nowhere: the rest would go unnoticed.

    Raises:
        InputError: it does.
    """
    len(tiff.pages)  # follows the references to the end
    handle = tiff.filehandle
    handle.seek(tiff.pages.next_page_offset or 0)
    following = handle.read(tiff.tiff.offsetsize)
    if len(following) < tiff.tiff.offsetsize or struct.unpack(tiff.tiff.offsetformat, following)[0] != 0:
        raise InputError(f"{path}: ends before its last page, perhaps truncated. Copy it again from its source")


def _plain_offset(page: Any) -> int | None:
    return int(page.dataoffsets[0]) if page.is_contiguous and page.compression == 1 else None
