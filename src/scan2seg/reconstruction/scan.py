"""The stage: a raw scan becomes a volume, one slab of sinograms at a time; reading, computing and writing overlap."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scan2seg import logging, provenance, storage
from scan2seg.config.reconstruction import ReconstructionSettings
from scan2seg.config.scan_files import RawScan
from scan2seg.errors import InputError
from scan2seg.orientation import turn
from scan2seg.pyramid import add_levels
from scan2seg.readers.dependencies import scan_files
from scan2seg.readers.scan import Scan
from scan2seg.reconstruction import half_acquisition, preprocessing
from scan2seg.reconstruction.centre_search import find_centre
from scan2seg.reconstruction.counts import Counts, check_counts, report_counts
from scan2seg.reconstruction.geometry import Geometry, choose_rows, make_geometry
from scan2seg.reconstruction.opening import choose_projections, open_configured
from scan2seg.reconstruction.sampling import Sampling

Sinograms = NDArray[np.float32]
# Files that are stored in tall compressed chunks are read in blocks up to this size, not chunk after chunk again.
READ_BYTES = 256 * 2**20


@dataclass
class Correction:
    """Turns rows of the detector into sinograms, by the settings, and counts what it mends."""

    scan: Scan
    settings: ReconstructionSettings
    threads: int = 1
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
        fields = None
        if not (s.already_normalised or s.already_logarithm):
            fields = preprocessing.read_fields(self.scan, slice(start, start + raw.shape[1]), s.bad_pixels)
            counts.bad_pixels += int(np.isnan(fields.beams).any(axis=0).sum())
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
    source: RawScan, output: Path, settings: ReconstructionSettings, threads: int = 1, splits: int = 0
) -> None:
    """Reconstruct a scan to an OME-Zarr volume (z, y, x) float32.

    Args:
        source: the scan's files.
        output: the store to write; it appears when it is complete.
        settings: everything else.
        threads: for computing; one more reads and one writes. The result does not depend on it.
        splits: write as many further volumes ``part0``, ``part1`` ..., each from every so many-th projection, for a
            denoiser that learns from their differences (Noise2Inverse).

    Raises:
        InputError: the scan is unreadable, incomplete or not a scan; nothing is written.
    """
    with open_configured(source, settings) as whole:
        first, last = choose_rows(whole, settings)
        scan = choose_projections(whole, settings)
        correction = Correction(scan, settings, threads)
        centre = find_centre(whole, settings, slice(first, last), threads)
        geometry = make_geometry(scan, settings, centre.value)
        sampling = Sampling.of(scan.angles, geometry.size)
        sampling.warn(scan.path.name)
        raw = scan_files(source, settings)
        correction.counts = Counts()
        with storage.creating(output) as group:
            shape = (geometry.slices, *(part.stop - part.start for part in geometry.crop))
            volumes = [storage.create_volume(group, shape, pixel_size=geometry.pixel_size)]
            length = (volumes[0].shards or volumes[0].chunks)[0]
            for number in range(splits):
                part = storage.create_array(group, f"part{number}", shape, "float32", per_shard=length, axes="zyx")
                volumes.append(part)
            _reconstruct(correction, geometry, volumes, threads)
            check_counts(correction.counts, scan, settings, geometry.slices)
            report_counts(correction.counts, scan, settings)
            add_levels(group, "volume")
            group.attrs.update(
                {
                    "provenance": provenance.record(settings.model_dump(mode="json"), raw),
                    "centre": centre.as_dict(),
                    "units": settings.units,
                    "orientation": settings.orientation,
                    "half_acquisition": geometry.half,
                    "angles": sampling.as_dict(),
                    "crop": geometry.place(settings.binning),
                    "corrections": correction.counts.as_dict(),
                }
            )


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


def _reconstruct(correction: Correction, geometry: Geometry, volumes: list[Any], threads: int) -> None:
    """Compute slab after slab while the next is read and the one before is written."""
    shards = storage.shards(volumes[0])
    writing: Future[None] | None = None

    def write(part: slice, slices: list[Sinograms]) -> None:
        for volume, values in zip(volumes, slices, strict=True):
            volume[part] = values

    slabs = _read_ahead(correction, geometry, shards)
    with ThreadPoolExecutor(1) as writer:
        for part, raw, start in logging.progress(slabs, "reconstruct", len(shards)):
            sinograms = correction.sinograms(raw, start)
            wanted = (
                part.start * correction.settings.binning + geometry.first_row - start
            ) // correction.settings.binning
            sinograms = np.ascontiguousarray(sinograms[wanted : wanted + part.stop - part.start])
            slices = slices_of(correction, geometry, sinograms, threads, len(volumes) - 1)
            check_counts(correction.counts, correction.scan, correction.settings, geometry.slices)
            if writing:
                writing.result()
            writing = writer.submit(write, part, slices)
        if writing:
            writing.result()


def _read_ahead(
    correction: Correction, geometry: Geometry, shards: list[slice]
) -> Iterator[tuple[slice, NDArray[Any], int]]:
    """Yield each shard with its raw rows, halo included, and the detector row they start at; one block ahead."""
    scan, binning, first = correction.scan, correction.settings.binning, geometry.first_row
    rows = [correction.rows_to_read(first + part.start * binning, first + part.stop * binning) for part in shards]
    item = scan.shape[0] * scan.shape[2] * 4
    per_block = min(READ_BYTES // item, scan.projections.rows_per_read)
    blocks: list[list[int]] = []
    for index in range(len(shards)):
        if blocks and rows[index][1] - rows[blocks[-1][0]][0] <= per_block:
            blocks[-1].append(index)
        else:
            blocks.append([index])

    def read(block: list[int]) -> tuple[NDArray[Any], int]:
        start, stop = rows[block[0]][0], rows[block[-1]][1]
        return scan.read_rows(start, stop), start

    with ThreadPoolExecutor(1) as reader:
        coming = reader.submit(read, blocks[0])
        for number, block in enumerate(blocks):
            raw, first = coming.result()
            if number + 1 < len(blocks):
                coming = reader.submit(read, blocks[number + 1])
            for index in block:
                start, stop = rows[index]
                yield shards[index], raw[:, start - first : stop - first], start
