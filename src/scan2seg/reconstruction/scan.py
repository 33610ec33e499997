"""The stage: a raw scan becomes a volume, one slab of sinograms at a time; reading, computing and writing overlap."""

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scan2seg import provenance, storage
from scan2seg.config.reconstruction import ReconstructionSettings
from scan2seg.config.scan_files import RawScan
from scan2seg.continuation import Unfinished, continuing
from scan2seg.device import choose_device
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
from scan2seg.reconstruction.slab_plan import row_bytes, rows_at_once, slice_bytes, window_length
from scan2seg.streaming import SHARE, plan_slabs, stream

Sinograms = NDArray[np.float32]


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

    def sinograms(self, raw: NDArray[Any], first: int, last: int, window: int = 0) -> Sinograms:
        """Correct and bin raw counts (projections, rows, columns), and count what is mended in the wanted rows.

        Args:
            raw: of the rows that ``rows_to_read`` names.
            first: the first wanted row of the detector.
            last: behind the last wanted one.
            window: how many binned rows phase is retrieved of at a time; 0 for all of them.

        Returns:
            The wanted rows, binned, (rows, projections, columns).
        """
        s, counts, start = self.settings, self.counts, self.rows_to_read(first, last)[0]
        above, length = (first - start) // s.binning, (last - first) // s.binning
        sinograms = self._transmissions(raw, start, slice(first - start, last - start))
        if not s.already_logarithm and self.phase_length is not None:
            sinograms = self._retrieve_phase(sinograms, first, last, window)
        else:
            sinograms = np.ascontiguousarray(sinograms[above : above + length])
        if not s.already_logarithm:
            counts.clipped += s.binning**2 * preprocessing.minus_logarithm(sinograms, s.minimum_transmission)
        return sinograms

    def _transmissions(self, raw: NDArray[Any], start: int, own: slice) -> Sinograms:
        """Take all steps that are taken row by row on the rows from ``start``, counting those of the rows ``own``."""
        s, counts, stop = self.settings, self.counts, start + raw.shape[1]
        if self.fields is None:
            fields = read_needed(self.scan, s, slice(start, stop), self.threads)
        else:
            fields = self.fields.of_rows(start, stop)
        sinograms, bad = preprocessing.transmissions(raw, fields, self.scan.moments, self.threads)
        counts.nonfinite += int(bad[own].sum())
        counts.values += raw[:, own].size
        empty = preprocessing.fill(sinograms, 0.0 if s.already_logarithm else 1.0, self.threads)
        counts.empty_slices += int(empty[own].sum())
        if s.zinger_threshold is not None and not s.already_logarithm:
            zingers = preprocessing.remove_zingers(sinograms, s.zinger_threshold, self.threads)
            counts.zingers += int(zingers[own].sum())
        return preprocessing.bin_pixels(sinograms, s.binning)

    def _retrieve_phase(self, sinograms: Sinograms, first: int, last: int, window: int) -> Sinograms:
        """Filter binned transmissions, halo included, a window and its own halo at a time; return the wanted rows."""
        binning, length, start = self.settings.binning, self.phase_length or 0.0, self.rows_to_read(first, last)[0]
        result = np.empty(((last - first) // binning, *sinograms.shape[1:]), np.float32)
        step = (window or len(result)) * binning
        for begin in range(first, last, step):
            end = min(begin + step, last)
            seen = [(row - start) // binning for row in self.rows_to_read(begin, end)]
            part = sinograms[slice(*seen)].copy()
            preprocessing.retrieve_phase(part, length, self.threads)
            target = result[(begin - first) // binning : (end - first) // binning]
            before = (begin - start) // binning - seen[0]
            target[:] = part[before : before + len(target)]
        return result


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
        raw, device = scan_files(source, settings), choose_device(settings.device)
        correction.counts = Counts(bad_pixels=_count_bad_pixels(correction.fields, first, last))
        content = [source.model_dump(mode="json"), settings.model_dump(mode="json"), splits, device]
        with continuing(output, content, raw) as unfinished:
            volumes = _open_volumes(unfinished, geometry, splits)
            _reconstruct(correction, geometry, unfinished, volumes, output, memory)
            check_counts(correction.counts, scan, settings, geometry.slices)
            report_counts(correction.counts, scan, settings)
            made = {"centre": centre.as_dict(), "angles": sampling.as_dict()}
            record = provenance.record(settings.model_dump(mode="json"), raw)
            unfinished.group.attrs.update({**made, **_describe(correction, geometry), "provenance": record})


def _open_volumes(unfinished: Unfinished, geometry: Geometry, splits: int) -> list[Any]:
    """Create the volume and those from sets of projections, or find what an earlier try made of them."""
    group, (rows, columns) = unfinished.group, geometry.crop
    shape = (geometry.slices, rows.stop - rows.start, columns.stop - columns.start)
    size = geometry.pixel_size
    volumes = [unfinished.array("volume", lambda: storage.create_volume(group, shape, pixel_size=size))]
    form: dict[str, Any] = {"per_shard": (volumes[0].shards or volumes[0].chunks)[0], "axes": "zyx"}
    for name in (f"part{number}" for number in range(splits)):
        create = partial(storage.create_array, group, name, shape, "float32", **form)
        volumes.append(unfinished.array(name, create))
    return volumes


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
    correction: Correction, geometry: Geometry, unfinished: Unfinished, volumes: list[Any], output: Path, memory: int
) -> None:
    """Compute slab after slab while the next is read and the one before is written, behind what is finished."""
    scan, settings, counts = correction.scan, correction.settings, correction.counts
    pyramid, start = Pyramid(unfinished.group, "volume"), 0
    for finished, number in unfinished.go_through(volumes):
        pyramid.add(np.asarray(volumes[0][finished]))
        counts.add(number)
        start = finished.stop
    halo = correction.halo // settings.binning
    window, at_once = window_length(halo, volumes[0]), rows_at_once(scan, memory)
    enough, left = 2 * correction.threads, memory - 2 * at_once * row_bytes(scan)
    size = slice_bytes(scan, geometry, settings, len(volumes))
    slabs = plan_slabs(volumes[0], size, halo=halo, enough=enough, step=window or 2, start=start, memory=left)
    own = partial(_rows_of, geometry, settings.binning)
    rows = {(slab.start, slab.stop): slice(*correction.rows_to_read(*own(slab))) for slab in slabs}

    def compute(slab: slice, raw: NDArray[Any]) -> tuple[list[Sinograms], dict[str, int]]:
        before = counts.as_dict()
        corrected = correction.sinograms(raw, *own(slab), window)
        slices = slices_of(correction, geometry, corrected, correction.threads, len(volumes) - 1)
        check_counts(counts, scan, settings, geometry.slices)
        return slices, counts.since(before)

    def write(slab: slice, result: tuple[list[Sinograms], dict[str, int]]) -> None:
        for volume, values in zip(volumes, result[0], strict=True):
            volume[slab] = values
        pyramid.add(result[0][0])
        unfinished.finish(slab, result[1])

    at_once = max([at_once, *(seen.stop - seen.start for seen in rows.values())])
    needed = slice(*correction.rows_to_read(*own(slice(start, geometry.slices))))
    with readable_by_rows(scan, needed, at_once, output) as file:
        reader = Rows(file, at_once if file is scan else 1)
        read = lambda slab: reader.read(rows[slab.start, slab.stop])  # noqa: E731
        stream(slabs, read, compute, write, volumes[0], "reconstruct")


def _rows_of(geometry: Geometry, binning: int, part: slice) -> tuple[int, int]:
    """Return the detector rows that slices are of, without a halo."""
    return geometry.first_row + part.start * binning, geometry.first_row + part.stop * binning
