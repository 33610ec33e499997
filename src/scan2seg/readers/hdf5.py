"""What the readers of HDF5 files share: opening, lazy image series, numbers with units. Imported only by them."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from scan2seg.errors import InputError
from scan2seg.readers.hdf5_storage import check_written, find
from scan2seg.readers.scan import Frames, Selection, Series
from scan2seg.readers.units import attempt, micrometres

_ERRORS = (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError, OverflowError, MemoryError)


def holds(path: Path, name: str) -> bool:
    """Tell whether the path is an HDF5 file with a dataset of the name, or a link; False for anything unreadable."""
    if not is_hdf5(path):
        return False
    try:
        with h5py.File(path, "r") as file:
            return find(file, name) is not None
    except InputError:
        return True
    except _ERRORS:
        return False


def single(paths: list[Path]) -> Path:
    """Return the one path.

    Raises:
        InputError: there are several.
    """
    if len(paths) != 1:
        raise InputError(f"{paths[0]}: one HDF5 file is a scan, {len(paths)} files match")
    return paths[0]


def open_file(path: Path) -> h5py.File:
    """Open for reading.

    Raises:
        InputError: the file is missing, truncated, or not HDF5.
    """
    try:
        return h5py.File(path, "r")
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file") from None
    except _ERRORS as error:
        raise InputError(
            f"{path}: is not a readable HDF5 file, perhaps truncated ({error}). Copy it again from its source"
        ) from None


@contextmanager
def closing_on_error(file: h5py.File) -> Iterator[None]:
    """Close the file when the block fails, and say which file was damaged."""
    try:
        yield
    except InputError:
        file.close()
        raise
    except _ERRORS as error:
        name = file.filename
        file.close()
        raise InputError(f"{name}: its structure is damaged ({type(error).__name__}: {error})") from None


def frames(file: h5py.File, name: str, needed: NDArray[np.intp] | None = None) -> Frames:
    """Make a lazy series of a dataset (images, rows, columns), of which ``needed`` (or all) will be read.

    Raises:
        InputError: the dataset is missing, not numbers in three dimensions, or a needed image was never written.
    """
    dataset = find(file, name)
    if dataset is None:
        raise InputError(f"{file.filename}: has no dataset /{name}, it holds {', '.join(_datasets(file)) or 'none'}")
    if dataset.ndim != 3 or dataset.dtype.kind not in "uif" or 0 in dataset.shape:
        raise InputError(
            f"{file.filename}: /{name} has shape {dataset.shape} and type {dataset.dtype}; "
            "expected numbers as (projections, rows, columns)"
        )
    check_written(dataset, needed=needed)

    def read(images: Selection, rows: slice) -> NDArray[Any]:
        if isinstance(images, slice):
            return np.asarray(dataset[images, rows, :])
        out = np.empty((len(images), rows.stop - rows.start, dataset.shape[2]), dataset.dtype)
        for run in _runs(images):
            dataset.read_direct(out, np.s_[images[run.start] : images[run.stop - 1] + 1, rows, :], np.s_[run, :, :])
        return out

    chunks = dataset.chunks
    return Frames(dataset.shape, read, None, chunks[1] if chunks else 1)


def optional_frames(file: h5py.File, name: str) -> Frames | None:
    """Make a lazy series of a dataset, or None where there is none or it is empty.

    Raises:
        InputError: it is there but is a link to nothing, not images, or was never written.
    """
    dataset = find(file, name)
    if dataset is None or 0 in dataset.shape:
        return None
    if dataset.ndim != 2:
        return frames(file, name)
    check_written(dataset, "rows")

    def read(images: Selection, rows: slice) -> NDArray[Any]:
        return np.asarray(dataset[rows, :])[None][images]

    return Frames((1, *dataset.shape), read)


def numbers(file: h5py.File, name: str) -> tuple[NDArray[np.float64] | None, str]:
    """Read a small dataset of numbers and its unit, empty where it names none; None where it is missing.

    Raises:
        InputError: it is a link to nothing, or was never written.
    """
    dataset = find(file, name)
    if dataset is None or dataset.dtype.kind not in "uif":
        return None, ""
    check_written(dataset, "values")
    return np.asarray(dataset[()], dtype=np.float64).reshape(-1), _unit(dataset)


def length(file: h5py.File, name: str) -> float | None:
    """Read a pixel size in micrometres; None where the dataset is missing.

    Raises:
        InputError: it is no positive number, or its unit is unknown.
    """
    dataset = find(file, name)
    return None if dataset is None else micrometres(_value(dataset), _unit(dataset), f"{file.filename}: /{name}")


def factor(file: h5py.File, name: str) -> float | None:
    """Read a magnification, as a number or a text such as ``10x``; None where the dataset is missing.

    Raises:
        InputError: it is no positive number.
    """
    dataset = find(file, name)
    if dataset is None:
        return None
    try:
        value = float(str(_value(dataset)).strip().lower().strip("x"))
    except ValueError:
        value = 0.0
    if not (np.isfinite(value) and value > 0):
        raise InputError(
            f"{file.filename}: /{name} is {_value(dataset)!r}, no magnification. Give pixel_size: in micrometres"
        )
    return value


def by_image_key(file: h5py.File, data: str, keys: str) -> dict[str, Any]:
    """Divide one series of images by a dataset of keys: 0 projection, 1 flat, 2 dark, 3 invalid (NXtomo).

    Returns:
        ``projections``, ``flats``, ``darks`` and ``series`` of ``Contents``; flats and darks keep their place in time.

    Raises:
        InputError: there are no keys, not one an image, or no projection among them; an image was never written.
    """
    found, _ = numbers(file, keys)
    dataset = find(file, data)
    count = len(dataset) if dataset is not None and dataset.ndim else 0
    if found is None or (dataset is not None and len(found) != count):
        raise InputError(f"{file.filename}: has {count} images in /{data} but {0 if found is None else len(found)} "
                         f"image keys in /{keys}")  # fmt: skip
    images = frames(file, data, needed=np.flatnonzero(np.isin(found, (0, 1, 2))))
    projections = np.flatnonzero(found == 0)
    if not len(projections):
        raise InputError(f"{file.filename}: /{keys} marks no image as a projection (0)")

    def taken(key: int) -> Frames | None:
        which = np.flatnonzero(found == key)
        when = np.searchsorted(projections, which).astype(np.float64) - 0.5
        return images.select(which, when) if len(which) else None

    series = Series(projections, len(found))
    return {"projections": images.select(projections), "flats": taken(1), "darks": taken(2), "series": series}


def describe(file: h5py.File, name: str) -> dict[str, Any]:
    """Return how the dataset is stored."""
    dataset = file[name]
    return {"type": str(dataset.dtype), "chunks": list(dataset.chunks or []), "compression": dataset.compression}


def _unit(dataset: h5py.Dataset) -> str:
    for key in ("units", "unit"):
        value = dataset.attrs.get(key)
        if value is not None:
            return text(value)
    return ""


def first_item(value: Any) -> Any:
    """Return the first item, decoded where it is text in bytes; empty where there is none."""
    items = np.asarray(value).reshape(-1)
    item = items[0] if items.size else ""
    return item.decode("utf-8", "replace") if isinstance(item, bytes) else item


def text(value: Any) -> str:
    """Return the text of an attribute or dataset, the first where there are several."""
    return str(first_item(value)).strip()


def _value(dataset: h5py.Dataset) -> Any:
    return first_item(dataset[()])


def _datasets(file: h5py.File) -> list[str]:
    found: list[str] = []

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and len(found) < 20:
            found.append(f"/{name} {item.shape}")

    file.visititems(visit)
    return found


def _runs(indices: NDArray[np.intp]) -> list[slice]:
    """Cut increasing indices into runs of neighbours: hyperslabs are much faster than lists of points."""
    breaks = np.flatnonzero(np.diff(indices) != 1) + 1
    edges = [0, *breaks.tolist(), len(indices)]
    return [slice(a, b) for a, b in pairwise(edges) if b > a]


def is_hdf5(path: Path) -> bool:
    """Tell whether the path is a file that begins like HDF5; False for anything unreadable."""
    try:
        return path.is_file() and bool(h5py.is_hdf5(path))
    except _ERRORS:
        return False


def angles(file: h5py.File, name: str) -> tuple[NDArray[np.float64] | InputError | None, str]:
    """Read angles and their unit, or the error that keeps from it: the settings may give others."""
    found = attempt(lambda: numbers(file, name))
    return (found, "") if isinstance(found, InputError) else found
