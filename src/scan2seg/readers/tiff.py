"""Series of TIFF images, read page by page and row by row when asked for. Imported only by the TIFF reader."""

import re
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from scan2seg.errors import InputError
from scan2seg.readers.scan import Frames, Selection, Series
from scan2seg.readers.tiff_series import Plane, list_planes

# Damaged files make the decoders raise nearly anything.
_Errors = (Exception,)


def natural_order(path: Path) -> list[Any]:
    """Order ``x9.tif`` before ``x10.tif``."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", path.name)]


def number_series(paths: list[Path]) -> Series | None:
    """Tell which images of a numbered series are missing; None where none is, or the names have no number.

    The number is the only part in which the names differ; where the numbers are further apart in some places than
    in most, images were left out there.
    """
    paths = sorted(paths, key=natural_order)
    parts = [re.split(r"(\d+)", path.name) for path in paths]
    if len(paths) < 3 or len({len(part) for part in parts}) > 1:
        return None
    differing = [column for column in range(len(parts[0])) if len({part[column] for part in parts}) > 1]
    if len(differing) != 1 or not all(part[differing[0]].isdigit() for part in parts):
        return None
    numbers = np.array([int(part[differing[0]]) for part in parts])
    step = int(np.gcd.reduce(np.diff(numbers)))
    places = (numbers - numbers[0]) // max(step, 1)
    length = int(places[-1]) + 1
    # Numbers that are mostly apart are times or angles, not counts.
    return Series(places.astype(np.intp), length, skipped=True) if len(paths) < length < 2 * len(paths) else None


def open_series(paths: list[Path]) -> tuple[Frames, Callable[[], None]]:
    """Open one multi-page file or many files of one page; headers only, and of many files the first and last.

    Raises:
        InputError: there is none, or one is unreadable or unlike the first.
    """
    if not paths:
        raise InputError("no TIFF file is given")
    paths = sorted(paths, key=natural_order)
    return _many_pages(paths[0]) if len(paths) == 1 else _many_files(paths)


def _many_pages(path: Path) -> tuple[Frames, Callable[[], None]]:
    file = _open(path)
    try:
        planes = list_planes(file, path)
        shape, dtype = _form(planes[0].page, path)
        if _form(planes[-1].page, path) != (shape, dtype):
            raise InputError(f"{path}: its pages differ in size or type")
    except InputError:
        file.close()
        raise
    except _Errors as error:
        file.close()
        raise _damaged(path, error) from None

    def read_one(index: int, rows: slice) -> NDArray[Any]:
        return _rows_of(planes[index], rows, path, shape, dtype)

    at_once = 1 if all(plane.offset is not None for plane in planes) else shape[0]
    # One thread: the pages share a file whose position moves when a page is looked up.
    return _frames(len(planes), shape, dtype, read_one, at_once, threads=1), file.close


def _many_files(paths: list[Path]) -> tuple[Frames, Callable[[], None]]:
    empty = next((path for path in paths if path.stat().st_size == 0), None)
    if empty:
        raise InputError(f"{empty}: is empty. Copy it again from its source")
    forms = []
    for path in (paths[0], paths[-1]):
        with _open(path) as file:
            forms.append(_form(_single_plane(file, path).page, path))
    if forms[0] != forms[1]:
        raise InputError(
            f"{paths[-1]}: is {forms[1][0]} {forms[1][1]}, but {paths[0].name} is {forms[0][0]} {forms[0][1]}"
        )
    shape, dtype = forms[0]

    def read_one(index: int, rows: slice) -> NDArray[Any]:
        path = paths[int(index)]
        with _open(path) as file:
            return _rows_of(_single_plane(file, path), rows, path, shape, dtype)

    # Opening a file costs more than reading it: many rows at once.
    return _frames(len(paths), shape, dtype, read_one, shape[0], threads=2), lambda: None


def _single_plane(file: tifffile.TiffFile, path: Path) -> Plane:
    try:
        planes = list_planes(file, path)
    except InputError:
        raise
    except _Errors as error:
        raise _damaged(path, error) from None
    if len(planes) != 1:
        raise InputError(f"{path}: has {len(planes)} pages; a series of files has one image each")
    return planes[0]


def _frames(
    count: int,
    shape: tuple[int, int],
    dtype: np.dtype[Any],
    read_one: Callable[[int, slice], NDArray[Any]],
    at_once: int,
    threads: int,
) -> Frames:
    def read(images: Selection, rows: slice) -> NDArray[Any]:
        indices = np.arange(count)[images]
        result = np.empty((len(indices), rows.stop - rows.start, shape[1]), dtype)

        def fetch(place: int) -> None:
            result[place] = read_one(int(indices[place]), rows)

        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(fetch, range(len(indices))))
        return result

    return Frames((count, *shape), read, None, at_once)


def _open(path: Path) -> tifffile.TiffFile:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return tifffile.TiffFile(path)
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file") from None
    except _Errors as error:
        raise _damaged(path, error) from None


def _form(page: Any, path: Path) -> tuple[tuple[int, int], np.dtype[Any]]:
    """Return the size and type of the images that a page describes."""
    (height, width), dtype = (int(length) for length in page.shape[-2:]), page.dtype
    if dtype is None or dtype.kind not in "uif" or 0 in (height, width):
        raise InputError(f"{path}: has shape {page.shape} of {dtype}; a projection is one grey image of numbers")
    return (height, width), dtype


def _rows_of(plane: Plane, rows: slice, path: Path, shape: tuple[int, int], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Read some rows: mapped where the image is stored plainly, otherwise decoded whole."""
    page = plane.page
    try:
        if _form(page, path) != (shape, dtype):
            raise InputError(f"{path}: has an image of {page.shape} {page.dtype} among those of {shape} {dtype}")
        if plane.offset is None:
            return np.asarray(page.asarray()).reshape(shape)[rows]
        handle = page.parent.filehandle
        line = shape[1] * dtype.itemsize
        stored = dtype.newbyteorder(page.parent.byteorder)
        with handle.lock:
            handle.seek(plane.offset + rows.start * line)
            content = handle.read((rows.stop - rows.start) * line)
        return np.frombuffer(content, stored).reshape(rows.stop - rows.start, shape[1])
    except InputError:
        raise
    except _Errors as error:
        raise _damaged(path, error) from None


def _damaged(path: Path, error: Exception) -> InputError:
    return InputError(
        f"{path}: is not a readable TIFF file, perhaps truncated ({type(error).__name__}: {error}). "
        "Copy it again from its source"
    )
