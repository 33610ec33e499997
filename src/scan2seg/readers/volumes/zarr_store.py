"""Zarr volumes, OME-Zarr among them."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scan2seg.config.base import Settings
from scan2seg.errors import InputError
from scan2seg.readers.units import micrometres_of
from scan2seg.readers.volumes import Volume, choose_key
from scan2seg.readers.zarr_chunks import find_gaps
from scan2seg.spacing import Spacing

SUFFIXES = (".zarr",)


class Params(Settings):
    """Settings of the reader."""

    key: str | None = None
    """Path of the array; needed only where there are several."""


def open_volume(path: Path, params: Params) -> Volume:
    """Open a three-dimensional array (z, y, x)."""
    import zarr

    node: Any = zarr.open(str(path), mode="r")
    attrs: dict[str, Any] = node.attrs.asdict()
    scales: dict[str, Spacing] = {}
    if isinstance(node, zarr.Group):
        found = [name for name, item in node.members(max_depth=None) if getattr(item, "ndim", 0) == 3]
        multiscales = attrs.get("ome", {}).get("multiscales") or attrs.get("multiscales")
        scales = _scales(multiscales[0]) if multiscales else {}
        first = multiscales[0]["datasets"][0]["path"] if multiscales else None
        name = choose_key(found, params.key or (first if first in found else None), path)
        node, scale = node[name], scales.get(name)
    else:
        name, scale = "", None

    def plane(axis: int, index: int) -> NDArray[Any]:
        return np.asarray(node[(slice(None),) * axis + (index,)])

    return Volume(
        tuple(node.shape), node.dtype, plane, scale or _own_size(attrs, path), find_gaps=lambda: find_gaps(node, path)
    )


def _scales(multiscale: dict[str, Any]) -> dict[str, Spacing]:
    """Return the voxel size of each level whose axes are lengths (ngff.openmicroscopy.org, multiscales)."""
    axes = multiscale.get("axes", [])
    units = [micrometres_of(str(axis.get("unit", ""))) for axis in axes if isinstance(axis, dict)]
    if len(units) != 3 or any(unit is None for unit in units):
        return {}
    scales = {}
    for level in multiscale["datasets"]:
        scale = np.array(units, float)
        for step in [*level.get("coordinateTransformations", []), *multiscale.get("coordinateTransformations", [])]:
            scale = scale * np.asarray(step["scale"], float) if step.get("type") == "scale" else scale
        z, y, x = scale.tolist()
        scales[level["path"]] = (z, y, x)
    return scales


def _own_size(attrs: dict[str, Any], path: Path) -> Spacing | None:
    """Return the attribute ``pixel_size``, micrometres of a cubic voxel, as our own stores have it."""
    size = attrs.get("pixel_size")
    if size is None:
        return None
    if isinstance(size, bool) or not isinstance(size, int | float):
        raise InputError(f"{path}: its attribute pixel_size is {size!r}; a number of micrometres is needed")
    return float(size), float(size), float(size)
