"""One HDF5 file with the dataset ``volume``: for ilastik, Fiji, MATLAB and scripts."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from scan2seg.config.base import Settings
from scan2seg.replacement import reserve

SUFFIX = ".h5"
_LONGEST_CHUNK = 512


class Params(Settings):
    """Settings of HDF5 files."""

    compression: Literal["none", "gzip"] = "none"
    """gzip is lossless, slow, and makes float32 volumes little smaller."""


def write_volume(
    path: Path,
    slices: Iterator[NDArray[np.float32]],
    shape: tuple[int, int, int],
    pixel_size: float | None,
    facts: dict[str, Any],
    params: Params,
) -> None:
    """Write ``volume`` (z, y, x) with the attributes ``axes``, ``element_size_um`` (z, y, x) and those of the facts."""
    import h5py

    # Equal chunks: those that reach beyond the volume are stored whole.
    chunks = (1, *(-(-length // -(-length // _LONGEST_CHUNK)) for length in shape[1:]))
    compression = None if params.compression == "none" else params.compression
    count = math.prod(-(-length // chunk) for length, chunk in zip(shape, chunks, strict=True))
    # each chunk has an entry in an index
    reserve(path, 2**16 + count * (4 * math.prod(chunks) + 128))
    with h5py.File(path, "w") as file:
        data = file.create_dataset("volume", shape, np.float32, chunks=chunks, compression=compression)
        data.attrs["axes"] = "zyx"
        if pixel_size is not None:
            data.attrs["element_size_um"] = [pixel_size] * 3
        data.attrs.update({key: value if isinstance(value, str) else json.dumps(value) for key, value in facts.items()})
        for index, plane in enumerate(slices):
            data[index] = plane
