"""A picture of one slice reconstructed with several centres, to choose the right one by eye."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from scan2seg.config.reconstruction import ReconstructionSettings
from scan2seg.config.scan_files import RawScan
from scan2seg.errors import InputError
from scan2seg.reconstruction.centre_search import find_centre
from scan2seg.reconstruction.correction import Correction
from scan2seg.reconstruction.geometry import choose_rows, make_geometry
from scan2seg.reconstruction.opening import choose_projections, open_configured
from scan2seg.reconstruction.slabs import slices_of
from scan2seg.replacement import replacing


def draw_centres(
    source: RawScan,
    settings: ReconstructionSettings,
    output_png: Path,
    *,
    row: int | None = None,
    around: float | None = None,
    step: float = 0.5,
) -> None:
    """Write a picture of one slice with nine centres, ``step`` columns apart, around the one that is found or given.

    Raises:
        InputError: the scan is unreadable, or the row or a centre is outside it.
    """
    with open_configured(source, settings) as scan:
        first, last = choose_rows(scan, settings)
        row = (first + last) // 2 if row is None else row
        if not 0 <= row < scan.shape[1]:
            raise InputError(f"{scan.path}: has no row {row}, the detector has {scan.shape[1]}")
        middle = find_centre(scan, settings, slice(first, last)).value if around is None else around
    centres = [middle + place * step for place in range(-4, 5)]
    centre_gallery(source, row, centres, output_png, settings)


def centre_gallery(
    source: RawScan | Path | str,
    row: int,
    centres: Sequence[float],
    output_png: Path | str,
    settings: ReconstructionSettings | None = None,
    threads: int = 1,
) -> None:
    """Write a picture of detector row ``row`` reconstructed with each of the centres, labelled with it.

    All panels share one grey scale, between the 1st and 99.5th percentile of all.

    Raises:
        InputError: the scan is unreadable, or the row or a centre is outside it.
    """
    from matplotlib.figure import Figure

    settings = settings or ReconstructionSettings()
    binning = settings.binning
    settings = settings.model_copy(update={"rows": (row // binning * binning, row // binning * binning + binning)})
    with open_configured(source, settings) as whole:
        scan = choose_projections(whole, settings)
        geometries = [make_geometry(scan, settings, centre) for centre in centres]
        correction = Correction(scan, settings, threads)
        rows = geometries[0].first_row, geometries[0].last_row
        sinogram = correction.sinograms(scan.read_rows(*correction.rows_to_read(*rows)), *rows)
        images = [slices_of(correction, geometry, sinogram.copy(), threads)[0][0] for geometry in geometries]
    low, high = np.percentile(np.concatenate([image.ravel() for image in images]), (1, 99.5))
    across = math.ceil(math.sqrt(len(images)))
    down = math.ceil(len(images) / across)
    figure = Figure(figsize=(4 * across, 4.3 * down), layout="constrained")
    for index, (centre, image) in enumerate(zip(centres, images, strict=True)):
        axes = figure.add_subplot(down, across, index + 1)
        axes.imshow(image, cmap="gray", vmin=low, vmax=high)
        axes.set_title(f"centre {centre:.2f}")
        axes.axis("off")
    with replacing(output_png) as partial:
        figure.savefig(partial, format="png")
