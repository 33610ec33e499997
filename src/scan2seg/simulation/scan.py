"""Simulates a scan: projections with flats and darks as APS Data Exchange HDF5, and the truth as an OME-Zarr volume."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from scan2seg import logging, provenance, storage
from scan2seg.config.simulation import SimulationSettings
from scan2seg.pyramid import add_levels
from scan2seg.replacement import replacing, reserve
from scan2seg.simulation import detector, phantom
from scan2seg.simulation.projection import project, project_disc

Floats = NDArray[np.float64]
Row = tuple[NDArray[np.uint8], NDArray[np.uint16], NDArray[np.uint16], NDArray[np.uint16]]

# A chunk holds few rows of a few projections: reading a sinogram or a projection touches little it does not need.
_CHUNK_PROJECTIONS = 32
_CHUNK_ROWS = 8
_SLAB_ROWS = 64


def simulate_scan(output: Path, labels: Path, settings: SimulationSettings, threads: int = 1) -> None:
    """Simulate a scan of a pillar, slab by slab; the memory needed does not grow with the number of rows.

    Writes two things, each whole or not at all, whose data depend on nothing but the settings:

    - ``output``, HDF5: ``/exchange/data`` (projection, row, column), ``data_white`` and ``data_dark`` in uint16
      counts, ``theta`` in degrees, ``/measurement/instrument/detector/pixel_size`` in micrometres. The attributes of
      ``/process/simulation`` hold all settings as JSON; its ``centre`` is the true column of the axis a projection.
    - ``labels``, Zarr: ``label`` (z, y, x) uint8, the true class at each voxel's centre, with the attributes
      ``classes`` (names, in order of value), ``pixel_size`` and ``provenance``.

    The geometry is that of ``projection``; the axis is at column (size - 1) / 2 + ``centre_offset``.

    Raises:
        InputError: the disk is full.
    """
    record = provenance.record(settings.model_dump(mode="json"))
    with replacing(output) as partial_output, storage.creating(labels) as truth:
        shape = (settings.rows, settings.size, settings.size)
        per_shard = min(_SLAB_ROWS, storage.shard_length(shape[1:], np.uint8, settings.rows))
        label = storage.create_volume(
            truth, shape, np.uint8, pixel_size=settings.pixel_size, per_shard=per_shard, name="label"
        )
        truth.attrs.update({"classes": settings.classes, "provenance": record})
        reserve(partial_output, _size(settings))
        with h5py.File(partial_output, "w") as file, ThreadPoolExecutor(max(threads, 1)) as pool:
            _write_description(file, settings, record)
            targets = _create_datasets(file, settings)
            rows = logging.progress(_in_order(pool, settings, threads), "simulate", settings.rows)
            for slab in storage.shards(label):
                _write_slab(slab, rows, label, targets)
        add_levels(truth, "label")


def scan_angles(settings: SimulationSettings) -> Floats:
    """Return the angle of every projection in degrees, (projection,)."""
    return np.linspace(0, settings.angle_range, settings.projections, endpoint=settings.endpoint)


def axis_columns(settings: SimulationSettings) -> Floats:
    """Return the column of the rotation axis in every projection, (projection,)."""
    progress = np.arange(settings.projections) / max(settings.projections - 1, 1)
    return (settings.size - 1) / 2 + settings.centre_offset + settings.drift * progress


def row_transmission(settings: SimulationSettings, row: int) -> Floats:
    """Return the share of the beam that passes one slice, 0 to 1, (projection, column).

    The pillar is projected in closed form, its particles from the supersampled slice; the detector pixel averages
    intensities, not line integrals, over its parts.
    """
    particles = phantom.particles_between(settings, row, row + 1)
    parts, angles, axis = settings.supersampling, scan_angles(settings), axis_columns(settings)
    fine_axis, columns = (axis + 0.5) * parts - 0.5, settings.size * parts
    matrix = next(material.attenuation for material in settings.materials if material.shape == "matrix")
    outside = next(material.attenuation for material in settings.materials if material.shape == "outside")
    disc = project_disc(settings.radius * parts, angles, fine_axis, columns)
    extra = project(phantom.residual_slice(settings, particles, row), angles, fine_axis, columns)
    fine: Floats = np.exp(-(extra + (matrix - outside) * disc) / parts)
    return np.asarray(fine.reshape(len(angles), settings.size, parts).mean(axis=2))


def _simulate_row(settings: SimulationSettings, row: int) -> Row:
    particles = phantom.particles_between(settings, row, row + 1)
    label = phantom.class_of_material(settings)[phantom.label_slice(settings, particles, row)]
    return label, *detector.expose(settings, row, row_transmission(settings, row))


def _in_order(pool: ThreadPoolExecutor, settings: SimulationSettings, threads: int) -> Iterator[Row]:
    """Simulate rows on all threads and yield them in order, never more of them in memory than threads need."""
    waiting = []
    for row in range(settings.rows):
        waiting.append(pool.submit(partial(_simulate_row, settings, row)))
        if len(waiting) > threads:
            yield waiting.pop(0).result()
    while waiting:
        yield waiting.pop(0).result()


def _write_slab(slab: slice, rows: Iterator[Row], label: Any, targets: tuple[Any, Any, Any]) -> None:
    found = list(islice(rows, slab.stop - slab.start))
    label[slab] = np.stack([row[0] for row in found])
    for place, target in enumerate(targets, start=1):
        target[:, slab] = np.stack([row[place] for row in found], axis=1)


def _chunks(settings: SimulationSettings, count: int) -> tuple[int, int, int]:
    return min(_CHUNK_PROJECTIONS, count), min(_CHUNK_ROWS, settings.rows), settings.size


def _size(settings: SimulationSettings) -> int:
    """Return the bytes of a file, those of its structure with room to spare."""
    size = 2**16
    for count in (settings.projections, settings.flats, settings.darks):
        projections, rows, columns = _chunks(settings, count)
        size += -(-count // projections) * -(-settings.rows // rows) * (2 * projections * rows * columns + 128)
    return size


def _create_datasets(file: h5py.File, settings: SimulationSettings) -> tuple[Any, Any, Any]:
    exchange = file.create_group("exchange")
    found = []
    for name, count in (("data", settings.projections), ("data_white", settings.flats), ("data_dark", settings.darks)):
        chunks = _chunks(settings, count)
        shape = (count, settings.rows, settings.size)
        found.append(exchange.create_dataset(name, shape, np.uint16, chunks=chunks, track_times=False))
        found[-1].attrs.update({"units": "counts", "axes": "theta:row:column"})
    theta = exchange.create_dataset("theta", data=scan_angles(settings), track_times=False)
    theta.attrs["units"] = "deg"
    return found[0], found[1], found[2]


def _write_description(file: h5py.File, settings: SimulationSettings, record: dict[str, Any]) -> None:
    file.create_dataset("implements", data="exchange:measurement:process", track_times=False)
    size = file.create_dataset(
        "measurement/instrument/detector/pixel_size", data=settings.pixel_size, track_times=False
    )
    size.attrs["units"] = "um"
    process = file.create_group("process/simulation")
    process.attrs["settings"] = settings.model_dump_json()
    process.create_dataset("centre", data=axis_columns(settings), track_times=False)
    # Without the time of day, so that the same seed gives the same file.
    process.attrs["provenance"] = json.dumps({key: value for key, value in record.items() if key != "created"})
