"""Zarr arrays as lazy series of images. Imported only by the Zarr reader."""

from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from scan2seg.errors import InputError
from scan2seg.readers.scan import Frames, Selection
from scan2seg.readers.zarr_chunks import find_gaps


def open_arrays(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the arrays of a store by name (an array alone is named '') and its attributes.

    Raises:
        InputError: the store is unreadable.
    """
    try:
        store = zarr.open(str(path), mode="r")
        attributes = dict(store.attrs)
        if isinstance(store, zarr.Array):
            return {"": store}, attributes
        return {name: item for name, item in store.members(max_depth=3) if isinstance(item, zarr.Array)}, attributes
    except Exception as error:
        raise InputError(f"{path}: is not a readable Zarr store ({type(error).__name__}: {error})") from None


def frames(array: Any, path: Path) -> Frames:
    """Make a lazy series.

    Raises:
        InputError: the array is not numbers in three dimensions, or a chunk of it was never written.
    """
    if array.ndim != 3 or array.dtype.kind not in "uif" or 0 in array.shape:
        raise InputError(
            f"{path}: {array.path or 'the array'} has shape {array.shape} and type {array.dtype}; "
            "expected numbers as (projections, rows, columns)"
        )

    gaps = find_gaps(array, path)
    if gaps is not None:
        raise InputError(f"{gaps}. If they hold nothing else, leave the array out, or write it with write_empty_chunks")

    def read(images: Selection, rows: slice) -> NDArray[Any]:
        if isinstance(images, slice):
            return np.asarray(array[images, rows])
        return np.asarray(array.oindex[images, rows, slice(None)])

    return Frames(array.shape, read, None, int((array.shards or array.chunks)[1]))


def numbers(array: Any) -> tuple[NDArray[np.float64] | None, str | None]:
    """Read angles and their unit by the attribute ``units``."""
    if array is None or array.dtype.kind not in "uif":
        return None, None
    unit = str(array.attrs.get("units", array.attrs.get("unit", "")))
    return np.asarray(array[...], dtype=np.float64).reshape(-1), unit
