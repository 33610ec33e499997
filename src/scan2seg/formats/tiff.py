"""One OME-TIFF of many pages, BigTIFF where it is large: for Fiji, Dragonfly, Avizo and the like."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from scan2seg.config.base import Settings

SUFFIX = ".tif"
_ORIENTATION_TAG, _SHORT, _FIRST_ROW_ON_TOP = 274, 3, 1
_LARGE = 2**31


class Params(Settings):
    """Settings of TIFF files."""

    compression: Literal["none", "zlib"] = "none"
    """zlib is lossless and makes float32 volumes little smaller; many programs map only uncompressed pages."""


def write_volume(
    path: Path,
    slices: Iterator[NDArray[np.float32]],
    shape: tuple[int, int, int],
    pixel_size: float | None,
    facts: dict[str, Any],
    params: Params,
) -> None:
    """Write one series with the axes ZYX; the physical size stands in the OME metadata and the resolution tags."""
    import tifffile

    metadata: dict[str, Any] = {"axes": "ZYX", "Description": json.dumps(facts)}
    resolution: dict[str, Any] = {}
    if pixel_size is not None:
        metadata |= {f"PhysicalSize{axis}": pixel_size for axis in "XYZ"}
        metadata |= {f"PhysicalSize{axis}Unit": "µm" for axis in "XYZ"}
        resolution = {"resolution": (1e4 / pixel_size, 1e4 / pixel_size), "resolutionunit": "CENTIMETER"}
    tifffile.imwrite(
        path,
        slices,
        shape=shape,
        dtype=np.dtype(np.float32),
        bigtiff=4 * int(np.prod(shape, dtype=np.int64)) > _LARGE,
        ome=True,
        photometric="minisblack",
        compression=None if params.compression == "none" else params.compression,
        metadata=metadata,
        extratags=[(_ORIENTATION_TAG, _SHORT, 1, _FIRST_ROW_ON_TOP, False)],
        **resolution,
    )
