"""Slabs of a scan: rows of the detector are read, corrected and reconstructed, by this process or by several."""

import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scan2seg.config.reconstruction import ReconstructionSettings
from scan2seg.config.scan_files import RawScan
from scan2seg.continuation import Unfinished
from scan2seg.orientation import turn
from scan2seg.pyramid import Pyramid, add_levels
from scan2seg.readers.scan import Frames
from scan2seg.reconstruction import half_acquisition
from scan2seg.reconstruction.correction import Correction, Sinograms
from scan2seg.reconstruction.counts import check_counts
from scan2seg.reconstruction.fields import READ_BYTES, read_needed
from scan2seg.reconstruction.geometry import Geometry
from scan2seg.reconstruction.opening import choose_projections, open_configured
from scan2seg.reconstruction.rows import Rows, readable_by_rows
from scan2seg.reconstruction.slab_plan import row_bytes, rows_at_once, slice_bytes, window_length
from scan2seg.storage import open_writable
from scan2seg.streaming import plan_slabs, stream
from scan2seg.team import share_slabs
from scan2seg.workers import Workers


@dataclass(frozen=True)
class Slabs:
    """The slabs of one reconstruction."""

    correction: Correction
    geometry: Geometry
    volumes: list[Any]
    """What is written: the volume, and those from disjoint sets of projections."""

    @property
    def halo(self) -> int:
        """Slices on each side of a slab that its phase retrieval needs."""
        return self.correction.halo // self.correction.settings.binning

    def own_rows(self, slab: slice) -> tuple[int, int]:
        """Return the detector rows that slices are of, without a halo."""
        binning = self.correction.settings.binning
        return self.geometry.first_row + slab.start * binning, self.geometry.first_row + slab.stop * binning

    def rows(self, slab: slice) -> slice:
        """Return the detector rows that a slab needs."""
        return slice(*self.correction.rows_to_read(*self.own_rows(slab)))

    def plan(self, memory: int, threads: int, part: slice, least: int = 1) -> list[slice]:
        """Cut slices into slabs."""
        scan, halo = self.correction.scan, self.halo
        size = slice_bytes(scan, self.geometry, self.correction.settings, len(self.volumes))
        step = window_length(halo, self.volumes[0]) or 2
        left = memory - 2 * rows_at_once(scan, memory) * row_bytes(scan)
        form = {"halo": halo, "enough": 2 * threads, "step": step}
        return plan_slabs(self.volumes[0], size, **form, part=part, least=least, memory=left)

    def compute(self, slab: slice, raw: NDArray[Any]) -> tuple[list[Sinograms], dict[str, int]]:
        """Return the slices of each volume, and what was mended for them."""
        correction, before = self.correction, self.correction.counts.as_dict()
        window = window_length(self.halo, self.volumes[0])
        corrected = correction.sinograms(raw, *self.own_rows(slab), window)
        slices = slices_of(correction, self.geometry, corrected, correction.threads, len(self.volumes) - 1)
        return slices, correction.counts.since(before)

    def check(self) -> None:
        """Stop where too much had to be mended."""
        check_counts(self.correction.counts, self.correction.scan, self.correction.settings, self.geometry.slices)

    def write(self, slab: slice, slices: list[Sinograms]) -> None:
        """Write the slices of each volume."""
        for volume, values in zip(self.volumes, slices, strict=True):
            volume[slab] = values


def slices_of(
    correction: Correction, geometry: Geometry, sinograms: Sinograms, threads: int, splits: int = 0
) -> list[Sinograms]:
    """Reconstruct corrected sinograms (rows, projections, columns) to cropped slices in the wanted units.

    Returns:
        The slices of all projections, and of each of the ``splits`` disjoint sets of them.
    """
    settings = correction.settings
    sinograms = settings.stripes.module.remove(sinograms, settings.stripes.parameters, threads)
    angles, centre = correction.scan.angles, geometry.centre
    if geometry.half:
        sinograms, angles, centre = half_acquisition.stitch(sinograms, angles, centre)
    sets = [slice(None), *(slice(number, None, splits) for number in range(splits))]
    return [
        _backproject(settings, geometry, np.ascontiguousarray(sinograms[:, part]), angles[part], centre, threads)
        for part in sets
    ]


def _backproject(
    settings: ReconstructionSettings,
    geometry: Geometry,
    sinograms: Sinograms,
    angles: NDArray[np.float64],
    centre: float,
    threads: int,
) -> Sinograms:
    backend = settings.backend
    slices = backend.module.reconstruct(sinograms, angles, centre, backend.parameters, threads, settings.device)
    if settings.circular_mask:
        middle = (geometry.size - 1) / 2
        radius = min(centre, geometry.size - 1 - centre) + 0.5
        y, x = np.ogrid[: geometry.size, : geometry.size]
        slices[:, (y - middle) ** 2 + (x - middle) ** 2 > radius**2] = 0
    slices = turn(slices, settings.orientation)[:, geometry.crop[0], geometry.crop[1]]
    if settings.units == "per_millimetre" and geometry.pixel_size:
        slices = slices * np.float32(1000 / geometry.pixel_size)
    return np.ascontiguousarray(slices, dtype=np.float32)


def stream_slabs(slabs: Slabs, unfinished: Unfinished, output: Path, memory: int) -> None:
    """Compute slab after slab while the next is read and the one before is written, behind what is finished."""
    scan, volumes, counts = slabs.correction.scan, slabs.volumes, slabs.correction.counts
    pyramid, start = Pyramid(unfinished.group, "volume"), 0
    for finished, number in unfinished.go_through(volumes):
        pyramid.add(np.asarray(volumes[0][finished]))
        counts.add(number)
        start = finished.stop
    left = slice(start, slabs.geometry.slices)
    planned = slabs.plan(memory, slabs.correction.threads, left)

    def compute(slab: slice, raw: NDArray[Any]) -> tuple[list[Sinograms], dict[str, int]]:
        result = slabs.compute(slab, raw)
        slabs.check()
        return result

    def write(slab: slice, result: tuple[list[Sinograms], dict[str, int]]) -> None:
        slabs.write(slab, result[0])
        pyramid.add(result[0][0])
        unfinished.finish(slab, result[1])

    at_once = max([rows_at_once(scan, memory), *(_length(slabs.rows(slab)) for slab in planned)])
    with readable_by_rows(scan, slabs.rows(left), at_once, output) as file:
        reader = Rows(file, at_once if file is scan else 1)
        stream(planned, lambda slab: reader.read(slabs.rows(slab)), compute, write, volumes, "reconstruct")


def _length(rows: slice) -> int:
    return int(rows.stop - rows.start)


def share_reconstruction(
    slabs: Slabs, unfinished: Unfinished, output: Path, source: RawScan, workers: Workers, memory: int
) -> None:
    """Let workers compute what is not finished; see ``stream_slabs``."""
    correction, geometry = slabs.correction, slabs.geometry
    plan = partial(slabs.plan, memory, workers.threads)
    whole = slice(0, geometry.slices)
    at_once = max(_length(slabs.rows(slab)) for slab in plan(whole))
    names = tuple(volume.basename for volume in slabs.volumes)
    with readable_by_rows(correction.scan, slabs.rows(whole), at_once, output) as file:
        copy = None if file is correction.scan else file.projections
        work = SharedReconstruction(
            source, correction.settings, geometry, unfinished.folder, names, workers.threads, copy
        )
        # closed at once when too much has to be mended, so that the workers end
        with closing(share_slabs(unfinished, slabs.volumes, work, workers, "reconstruct", plan=plan)) as numbers:
            for number in numbers:
                correction.counts.add(number)
                slabs.check()
    add_levels(unfinished.group, "volume")


@dataclass(frozen=True)
class SharedReconstruction:
    """What a worker does to slabs of a scan that several reconstruct."""

    source: RawScan
    settings: ReconstructionSettings
    geometry: Geometry
    store: Path
    """The unfinished one that is written."""
    names: tuple[str, ...]
    """Its arrays."""
    threads: int
    copy: Frames | None
    """Where the rows are read from, if not from the scan."""

    def open(self) -> Callable[[slice], dict[str, int]]:
        """Open the scan; return what reconstructs a slab and returns what was mended for it."""
        whole = open_configured(self.source, self.settings)
        scan = choose_projections(whole, self.settings)
        correction = Correction(scan, self.settings, self.threads)
        seen = slice(*correction.rows_to_read(self.geometry.first_row, self.geometry.last_row))
        correction.fields = read_needed(whole, self.settings, seen, self.threads, READ_BYTES)
        group: Any = open_writable(self.store, anew=False)
        slabs = Slabs(correction, self.geometry, [group[name] for name in self.names])
        file = scan if self.copy is None else replace(scan, projections=self.copy)
        reading, computing = threading.Lock(), threading.Lock()

        def run(slab: slice) -> dict[str, int]:
            rows = slabs.rows(slab)
            # the HDF5 library is one thread's at a time
            with reading:
                raw = file.read_rows(rows.start, rows.stop)
            with computing:
                slices, number = slabs.compute(slab, raw)
            slabs.write(slab, slices)
            return number

        return run
