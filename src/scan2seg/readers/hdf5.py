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
from scan2seg.readers.scan import Frames, Selection

_MICROMETRES = {"m": 1e6, "mm": 1e3, "millimetre": 1e3, "millimeter": 1e3, "um": 1.0, "µm": 1.0, "μm": 1.0,
                "micron": 1.0, "microns": 1.0, "micrometer": 1.0, "micrometre": 1.0, "nm": 1e-3, "metre": 1e6,
                "meter": 1e6, "cm": 1e4}  # fmt: skip
_PIXEL_SIZES = (
    "measurement/instrument/detector/pixel_size",
    "measurement/instrument/detector/actual_pixel_size_x",
    "measurement/instrument/detection_system/objective/resolution",
    "measurement/instrument/detector/pixel_size_x",
    "measurement/instrument/detector/x_pixel_size",
    "exchange/pixel_size",
)
_ERRORS = (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError, OverflowError, MemoryError)


def holds(path: Path, *names: str) -> bool:
    """Tell whether the path is an HDF5 file with one of the datasets; False for anything unreadable."""
    try:
        if not path.is_file() or not h5py.is_hdf5(path):
            return False
        with h5py.File(path, "r") as file:
            return any(isinstance(file.get(name), h5py.Dataset) for name in names)
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


def frames(file: h5py.File, name: str) -> Frames:
    """Make a lazy series of a dataset (images, rows, columns).

    Raises:
        InputError: the dataset is missing, or not numbers in three dimensions.
    """
    dataset = file.get(name)
    if not isinstance(dataset, h5py.Dataset):
        raise InputError(f"{file.filename}: has no dataset /{name}, it holds {', '.join(_datasets(file)) or 'none'}")
    if dataset.ndim != 3 or dataset.dtype.kind not in "uif" or 0 in dataset.shape:
        raise InputError(
            f"{file.filename}: /{name} has shape {dataset.shape} and type {dataset.dtype}; "
            "expected numbers as (projections, rows, columns)"
        )

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
    """Make a lazy series of a dataset, or None where there is none or it is empty."""
    dataset = file.get(name)
    if not isinstance(dataset, h5py.Dataset) or 0 in dataset.shape:
        return None
    if dataset.ndim == 2:
        image = dataset

        def read(images: Selection, rows: slice) -> NDArray[Any]:
            return np.asarray(image[rows, :])[None][images]

        return Frames((1, *dataset.shape), read)
    return frames(file, name)


def numbers(file: h5py.File, name: str) -> tuple[NDArray[np.float64] | None, str | None]:
    """Read a small dataset of numbers and whether it is ``degrees`` or ``radians`` by its attribute, if it has one."""
    dataset = file.get(name)
    if not isinstance(dataset, h5py.Dataset) or dataset.dtype.kind not in "uif":
        return None, None
    unit = _unit(dataset).lower()
    known = "degrees" if unit.startswith("deg") else "radians" if unit.startswith("rad") else None
    return np.asarray(dataset[()], dtype=np.float64).reshape(-1), known


def pixel_size(file: h5py.File, names: tuple[str, ...] = _PIXEL_SIZES) -> float | None:
    """Look for the pixel size in the usual places; in micrometres. A number without a unit is one in micrometres
    if above 0.001, in metres below."""
    for name in names:
        dataset = file.get(name)
        if not isinstance(dataset, h5py.Dataset) or dataset.dtype.kind not in "uif" or dataset.size < 1:
            continue
        value = float(np.asarray(dataset[()]).reshape(-1)[0])
        factor = _MICROMETRES.get(_unit(dataset).strip().lower(), 1.0 if value > 1e-3 else 1e6)
        if np.isfinite(value) and value > 0:
            return value * factor
    return None


def describe(file: h5py.File, name: str) -> dict[str, Any]:
    """Return how the dataset is stored."""
    dataset = file[name]
    return {"type": str(dataset.dtype), "chunks": list(dataset.chunks or []), "compression": dataset.compression}


def _unit(dataset: h5py.Dataset) -> str:
    for key in ("units", "unit"):
        value = dataset.attrs.get(key)
        if value is not None:
            value = np.asarray(value).reshape(-1)[0]
            return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return ""


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


def find_group(file: h5py.File, *wanted: tuple[str, ...]) -> str | None:
    """Return the path of the first group, at most two levels deep, that holds one dataset of each list of names."""
    names = [""]
    for name, item in file.items():
        if isinstance(item, h5py.Group):
            names.append(name)
            names += [f"{name}/{below}" for below, part in item.items() if isinstance(part, h5py.Group)]
    for name in names:
        group = file[name] if name else file
        if all(any(isinstance(group.get(choice), h5py.Dataset) for choice in choices) for choices in wanted):
            return name
    return None


def first_of(file: h5py.File, names: list[str]) -> str:
    """Return the first name that is a dataset, or the first name at all."""
    return next((name for name in names if isinstance(file.get(name), h5py.Dataset)), names[0])
