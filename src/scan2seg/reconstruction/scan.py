"""The stage: a raw scan becomes a volume, one slab of sinograms at a time; reading, computing and writing overlap."""

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
from scan2seg.memory import available_memory
from scan2seg.readers.dependencies import scan_files
from scan2seg.reconstruction.centre_search import find_centre
from scan2seg.reconstruction.correction import Correction
from scan2seg.reconstruction.counts import Counts, report_counts
from scan2seg.reconstruction.fields import READ_BYTES, Fields, read_needed
from scan2seg.reconstruction.geometry import Geometry, choose_rows, make_geometry
from scan2seg.reconstruction.opening import choose_projections, open_configured
from scan2seg.reconstruction.sampling import Sampling
from scan2seg.reconstruction.slabs import Slabs, share_reconstruction, stream_slabs
from scan2seg.streaming import SHARE
from scan2seg.workers import Workers

Sinograms = NDArray[np.float32]


def reconstruct_scan(
    source: RawScan,
    output: Path,
    settings: ReconstructionSettings,
    threads: int = 1,
    splits: int = 0,
    *,
    memory: int | None = None,
    workers: Workers | None = None,
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
        workers: who shares the scan; by default this process has it alone. The result does not depend on it.

    Raises:
        InputError: the scan is unreadable, incomplete or not a scan; nothing is written.
    """
    memory = int((workers.memory if workers else available_memory()) * SHARE) if memory is None else memory
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
            slabs = Slabs(correction, geometry, _open_volumes(unfinished, geometry, splits))
            if workers is None:
                stream_slabs(slabs, unfinished, output, memory)
            else:
                share_reconstruction(slabs, unfinished, output, source, workers, memory)
            slabs.check()
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
