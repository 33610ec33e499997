"""The voxel size that a TIFF volume says in ImageJ's or OME's way.

The plain tags XResolution and YResolution are left alone: they are dots an inch for a printer (72, 96, 300) in the
files of most programs, and say nothing of the distance between slices.
"""

import re
from typing import Any

import tifffile

from scan2seg.readers.units import micrometres_of
from scan2seg.spacing import Spacing


def find_spacing(tiff: tifffile.TiffFile) -> Spacing | None:
    """Return micrometres from voxel to voxel along (z, y, x); None where the file says none, or not of all three."""
    if tiff.ome_metadata is not None:
        return _from_ome(tiff.ome_metadata)
    if tiff.imagej_metadata is not None:
        return _from_imagej(tiff.imagej_metadata, tiff.pages.first.tags)
    return None


def _from_ome(metadata: str) -> Spacing | None:
    """Read PhysicalSizeX and its kin of the first image; without a unit they are in micrometres."""
    pixels = re.search(r"<(?:\w+:)?Pixels\b[^>]*>", metadata)
    if pixels is None:
        return None
    given = dict(re.findall(r"""(PhysicalSize\w+)\s*=\s*["']([^"']*)["']""", pixels.group()))
    sizes = [_length(given.get(f"PhysicalSize{axis}"), given.get(f"PhysicalSize{axis}Unit", "um")) for axis in "ZYX"]
    return _all_three(sizes)


def _from_imagej(metadata: dict[str, Any], tags: Any) -> Spacing | None:
    """Read pixels a unit from the resolution tags and the distance of slices; ImageJ leaves out a distance of 1."""
    unit = str(metadata.get("unit", ""))
    sizes = [_length(metadata.get("spacing", 1), unit)]
    for name in ("YResolution", "XResolution"):
        pixels, units = tags[name].value if name in tags else (1, 1)
        sizes.append(_length(units / pixels if pixels else 0, unit))
    return _all_three(sizes)


def _length(value: Any, unit: str) -> float | None:
    factor = micrometres_of(unit.replace("\\u00B5", "µ"))
    try:
        return None if value is None or factor is None else float(f"{float(value) * factor:.7g}")
    except ValueError:
        return None


def _all_three(sizes: list[float | None]) -> Spacing | None:
    z, y, x = sizes
    return None if z is None or y is None or x is None else (z, y, x)
