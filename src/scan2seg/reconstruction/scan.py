"""The stage: a raw scan becomes a volume, one slab of sinograms at a time; reading, computing and writing overlap."""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scan2seg import provenance, storage
from scan2seg.config.reconstruction import ReconstructionSettings
from scan2seg.config.scan_files import RawScan
from scan2seg.errors import InputError
from scan2seg.memory import available_memory
from scan2seg.orientation import turn
from scan2seg.pyramid import Pyramid
from scan2seg.readers.dependencies import scan_files
from scan2seg.readers.scan import Scan
from scan2seg.reconstruction import half_acquisition, preprocessing
from scan2seg.reconstruction.centre_search import find_centre
from scan2seg.reconstruction.counts import Counts, check_counts, report_counts
from scan2seg.reconstruction.fields import READ_BYTES, Fields, read_needed
from scan2seg.reconstruction.geometry import Geometry, choose_rows, make_geometry
from scan2seg.reconstruction.opening import choose_projections, open_configured
from scan2seg.reconstruction.rows import Rows, readable_by_rows
from scan2seg.reconstruction.sampling import Sampling
from scan2seg.streaming import SHARE, plan_slabs, stream

Sinograms = NDArray[np.float32]
_READ_SHARE = 4
"""Pieces of files that are taller than a slab are kept in so many parts of the memory, two of them at a time."""


@dataclass
class Correction:
    """Turns rows of the detector into sinograms, by the settings, and counts what it mends."""

    scan: Scan
    settings: ReconstructionSettings
    threads: int = 1
    fields: Fields | None = None
    """Flats and darks, of all rows that will be corrected; without them they are read for each block."""
    counts: Counts = field(default_factory=Counts)

    @property
    def phase_length(self) -> float | None:
        """Length of Paganin's filter in binned pixels; None without phase retrieval."""
        s = self.settings
        if s.delta_beta is None or s.energy is None or s.distance is None:
            return None
        size = s.pixel_size or self.scan.pixel_size
        if size is None:
            raise InputError(f"{self.scan.path}: has no pixel size, which phase retrieval needs. Give pixel_size:")
        return preprocessing.paganin_length(s.delta_beta, s.energy, s.distance, size * s.binning)

    @property
    def halo(self) -> int:
        """How many detector rows beyond the wanted ones each side enter the result."""
        length = self.phase_length
        return 0 if length is None else int(np.ceil(8 * length)) * self.settings.binning

    def rows_to_read(self, first: int, last: int) -> tuple[int, int]:
        """Return the detector rows that the rows first to last need: the halo too, where the detector has it.

        Above, whole binned rows only: the first one read begins a binned row of those that are wanted.
        """
        binning = self.settings.binning
        above = min(self.halo, first // binning * binning)
        return first - above, min(last + self.halo, self.scan.shape[1])

    def sinograms(self, raw: NDArray[Any], start: int) -> Sinograms:
        """Correct raw counts (projections, rows, columns) of the rows from ``start``; binned, halo included."""
        s, counts = self.settings, self.counts
        rows = slice(start, start + raw.shape[1])
        if self.fields is None:
            fields = read_needed(self.scan, s, rows, self.threads)
        else:
            fields = self.fields.of_rows(rows.start, rows.stop)
        sinograms, bad = preprocessing.transmissions(raw, fields, self.scan.moments, self.threads)
        counts.nonfinite += bad
        counts.values += raw.size
        counts.empty_slices += preprocessing.fill(sinograms, 0.0 if s.already_logarithm else 1.0, self.threads)
        if s.zinger_threshold is not None and not s.already_logarithm:
            counts.zingers += preprocessing.remove_zingers(sinograms, s.zinger_threshold, self.threads)
        sinograms = preprocessing.bin_pixels(sinograms, s.binning)
        if not s.already_logarithm:
            if self.phase_length is not None:
                preprocessing.retrieve_phase(sinograms, self.phase_length, self.threads)
            counts.clipped += s.binning**2 * preprocessing.minus_logarithm(sinograms, s.minimum_transmission)
        return sinograms


def reconstruct_scan(
    source: RawScan,
    output: Path,
    settings: ReconstructionSettings,
    threads: int = 1,
    splits: int = 0,
    *,
    memory: int | None = None,
) -> None:
    """Reconstruct a scan to an OME-Zarr volume (z, y, x) float32.

    Args:
        source: the scan's files.
        output: the store to write; it appears when it is complete.
        settings: everything else.
        threads: for computing; one more reads and one writes. The result does not depend on it.
        splits: write as many further volumes ``part0``, ``part1`` ..., each from every so many-th projection, for a
            denoiser that learns from their differences (Noise2Inverse).
        memory: bytes that the slabs may take; by default most of what the job may. The result does not depend on it.

    Raises:
        InputError: the scan is unreadable, incomplete or not a scan; nothing is written.
    """
    memory = int(available_memory() * SHARE) if memory is None else memory
    with open_configured(source, settings) as whole:
        first, last = choose_rows(whole, settings)
        scan = choose_projections(whole, settings)
        correction = Correction(scan, settings, threads)
        seen = slice(*correction.rows_to_read(first, last))
        correction.fields = read_needed(whole, settings, seen, threads, max(READ_BYTES, memory // 8))
        centre = find_centre(whole, settings, slice(first, last), correction.fields)
        geometry = make_geometry(scan, settings, centre.value)
        sampling = Sampling.of(scan.angles, geometry.size)
        sampling.warn(scan.path.name)
        raw = scan_files(source, settings)
        correction.counts = Counts(bad_pixels=_count_bad_pixels(correction.fields, first, last))
        with storage.creating(output) as group:
            shape = (geometry.slices, *(part.stop - part.start for part in geometry.crop))
            volumes = [storage.create_volume(group, shape, pixel_size=geometry.pixel_size)]
            length = (volumes[0].shards or volumes[0].chunks)[0]
            for number in range(splits):
                part = storage.create_array(group, f"part{number}", shape, "float32", per_shard=length, axes="zyx")
                volumes.append(part)
            _reconstruct(correction, geometry, volumes, Pyramid(group, "volume"), output, memory)
            check_counts(correction.counts, scan, settings, geometry.slices)
            report_counts(correction.counts, scan, settings)
            made = {"centre": centre.as_dict(), "angles": sampling.as_dict()}
            record = provenance.record(settings.model_dump(mode="json"), raw)
            group.attrs.update({**made, **_describe(correction, geometry), "provenance": record})


def _count_bad_pixels(fields: Fields | None, first: int, last: int) -> int:
    return 0 if fields is None else fields.of_rows(first, last).bad_pixels


def _describe(correction: Correction, geometry: Geometry) -> dict[str, Any]:
    settings = correction.settings
    return {
        "units": settings.units,
        "orientation": settings.orientation,
        "half_acquisition": geometry.half,
        "crop": geometry.place(settings.binning),
        "corrections": correction.counts.as_dict(),
    }


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


def _reconstruct(
    correction: Correction, geometry: Geometry, volumes: list[Any], pyramid: Pyramid, output: Path, memory: int
) -> None:
    """Compute slab after slab while the next is read and the one before is written."""
    scan, settings = correction.scan, correction.settings
    window = _correction_window(correction, volumes[0])
    at_once = _rows_at_once(scan, memory)
    slabs = plan_slabs(
        volumes[0],
        _slice_bytes(correction, geometry, len(volumes)),
        halo=correction.halo // settings.binning,
        enough=2 * correction.threads,
        step=window or 2,
        memory=memory - 2 * at_once * _row_bytes(scan),
    )

    def rows_of(part: slice) -> slice:
        start, stop = (geometry.first_row + place * settings.binning for place in (part.start, part.stop))
        return slice(*correction.rows_to_read(start, stop))

    def compute(slab: slice, raw: NDArray[Any]) -> list[Sinograms]:
        start, parts = rows_of(slab).start, []
        for first in range(slab.start, slab.stop, window or slab.stop - slab.start):
            part = slice(first, min(first + (window or slab.stop), slab.stop))
            rows = rows_of(part)
            sinograms = correction.sinograms(raw[:, rows.start - start : rows.stop - start], rows.start)
            before = (geometry.first_row + part.start * settings.binning - rows.start) // settings.binning
            parts.append(sinograms[before : before + part.stop - part.start])
        corrected = np.concatenate(parts) if len(parts) > 1 else np.ascontiguousarray(parts[0])
        slices = slices_of(correction, geometry, corrected, correction.threads, len(volumes) - 1)
        check_counts(correction.counts, scan, settings, geometry.slices)
        return slices

    def write(slab: slice, slices: list[Sinograms]) -> None:
        for volume, values in zip(volumes, slices, strict=True):
            volume[slab] = values
        pyramid.add(slices[0])

    seen = rows_of(slice(0, geometry.slices))
    longest = max(rows_of(slab).stop - rows_of(slab).start for slab in slabs)
    with readable_by_rows(scan, seen, max(at_once, longest), output) as readable:
        reader = Rows(readable, at_once if readable is scan else 1)
        stream(
            slabs,
            lambda slab: reader.read(rows_of(slab).start, rows_of(slab).stop),
            compute,
            write,
            volumes[0],
            "reconstruct",
        )


def _correction_window(correction: Correction, volume: Any) -> int:
    """Return how many slices phase retrieval filters at a time, 0 without it.

    Its filter sees all rows that it is given, if only faintly, so that these must not depend on the slabs.
    """
    unit = math.lcm(storage.shards(volume)[0].stop, 2)
    return -(-correction.halo // correction.settings.binning // unit) * unit


def _row_bytes(scan: Scan) -> int:
    return scan.shape[0] * scan.shape[2] * 4


def _rows_at_once(scan: Scan, memory: int) -> int:
    """Return how many rows to read at least: a stored piece, where so much memory can be spared."""
    return max(1, min(scan.projections.rows_per_read, scan.shape[1], memory // _READ_SHARE // 2 // _row_bytes(scan)))


def _slice_bytes(correction: Correction, geometry: Geometry, volumes: int) -> int:
    """Return what a slice takes: raw rows that are read and used, transmissions, buffers of gridding, slices."""
    row, binning = _row_bytes(correction.scan), correction.settings.binning
    size, projections = geometry.size, correction.scan.shape[0]
    # two slices share a transform: spectra twice as wide as the detector, a grid 1.25 times as fine as the slice
    buffers = 12 * projections * size + 11 * size**2
    return 3 * row * binning + row // binning + buffers + 4 * size**2 * (1 + 2 * volumes)
