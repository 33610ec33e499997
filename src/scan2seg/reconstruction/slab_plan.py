"""What a slab of a reconstruction takes, and what it must be whole parts of."""

import math
from typing import Any

import zarr

from scan2seg.config.reconstruction import ReconstructionSettings
from scan2seg.readers.scan import Scan
from scan2seg.reconstruction.geometry import Geometry
from scan2seg.storage import shards

_READ_SHARE = 8
"""A piece of a file that is taller than a slab is kept where it takes such a part of the memory; two are at a time."""


def window_length(halo: int, volume: zarr.Array[Any]) -> int:
    """Return how many slices phase retrieval filters at a time, 0 without it, where the halo (in slices) is 0.

    Its filter sees all rows that it is given, if only faintly, so that these must not depend on the slabs.
    """
    unit = math.lcm(shards(volume)[0].stop, 2)
    return -(-halo // unit) * unit


def row_bytes(scan: Scan) -> int:
    """Return what a row of all projections takes as float32."""
    return scan.shape[0] * scan.shape[2] * 4


def rows_at_once(scan: Scan, memory: int) -> int:
    """Return how many rows to read at least: a stored piece of the file, where so much memory can be spared, else 1."""
    piece = min(scan.projections.rows_per_read, scan.shape[1])
    return piece if piece * row_bytes(scan) <= memory // _READ_SHARE else 1


def slice_bytes(scan: Scan, geometry: Geometry, settings: ReconstructionSettings, volumes: int) -> int:
    """Return what a slice takes: raw rows that are read and used, transmissions, buffers of gridding, slices."""
    row, binning, size = row_bytes(scan), settings.binning, geometry.size
    # two slices share a transform: spectra twice as wide as the detector, a grid 1.25 times as fine as the slice
    buffers = 12 * scan.shape[0] * size + 11 * size**2
    return 3 * row * binning + row // binning + buffers + 4 * size**2 * (1 + 2 * volumes)
