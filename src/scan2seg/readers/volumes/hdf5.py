"""HDF5 volumes."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scan2seg.config.base import Settings
from scan2seg.errors import InputError
from scan2seg.readers.volumes import Volume, choose_key

SUFFIXES = (".h5", ".hdf5", ".hdf", ".nx", ".nxs")


class Params(Settings):
    """Settings of the reader."""

    key: str | None = None
    """Path of the dataset; needed only where there are several."""


def open_volume(path: Path, params: Params) -> Volume:
    """Open a three-dimensional dataset (z, y, x)."""
    import h5py

    file = h5py.File(path, "r")
    found: list[str] = []
    file.visititems(lambda name, item: found.append(name) if getattr(item, "ndim", 0) == 3 else None)
    data = file[choose_key(found, params.key, path)]

    def plane(axis: int, index: int) -> NDArray[Any]:
        return np.asarray(data[(slice(None),) * axis + (index,)])

    return Volume(tuple(data.shape), data.dtype, plane, find_gaps=lambda: _find_gaps(data))


def _find_gaps(data: Any) -> str | None:
    from scan2seg.readers.hdf5_storage import check_written

    try:
        check_written(data, "slices")
    except InputError as error:
        return str(error)
    return None


def companions(path: Path) -> list[Path]:
    """Return the files that links and virtual datasets of this one lead to."""
    from scan2seg.readers.hdf5_storage import linked_files

    return linked_files(path)
