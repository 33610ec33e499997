"""Zarr volumes, OME-Zarr among them."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scan2seg.config.base import Settings
from scan2seg.readers.volumes import Volume, choose_key

SUFFIXES = (".zarr",)


class Params(Settings):
    """Settings of the reader."""

    key: str | None = None
    """Path of the array; needed only where there are several."""


def open_volume(path: Path, params: Params) -> Volume:
    """Open a three-dimensional array (z, y, x)."""
    import zarr

    node: Any = zarr.open(str(path), mode="r")
    pixel_size = node.attrs.get("pixel_size")
    if isinstance(node, zarr.Group):
        found = [name for name, item in node.members(max_depth=None) if getattr(item, "ndim", 0) == 3]
        attrs: dict[str, Any] = node.attrs.asdict()
        multiscales = attrs.get("ome", {}).get("multiscales") or attrs.get("multiscales")
        first = multiscales[0]["datasets"][0]["path"] if multiscales else None
        node = node[choose_key(found, params.key or (first if first in found else None), path)]

    def plane(axis: int, index: int) -> NDArray[Any]:
        return np.asarray(node[(slice(None),) * axis + (index,)])

    return Volume(tuple(node.shape), node.dtype, plane, pixel_size)
