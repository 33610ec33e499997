"""Finding the rotation axis of a scan: which projections and rows to read, and one method checked by another."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from scan2seg import logging
from scan2seg.config.reconstruction import ReconstructionSettings
from scan2seg.errors import InputError
from scan2seg.readers.scan import Scan
from scan2seg.reconstruction import preprocessing
from scan2seg.reconstruction.centre import Centre, from_opposite, opposite_pairs, shift_between, vo
from scan2seg.reconstruction.fields import Fields, read_needed

Floats = NDArray[np.float64]
# More rows of a tall detector cost time and add nothing.
_MOST_ROWS = 512


def find_centre(scan: Scan, settings: ReconstructionSettings, rows: slice, fields: Fields | None = None) -> Centre:
    """Return the centre of the settings, or find it.

    Phase correlation of opposite projections; Vo's method where there is no opposite pair, and as a check. When the
    two disagree by more than ``centre_tolerance`` the first stands where pairs exist, and a warning says so.

    Args:
        scan: with all its projections.
        settings: how the centre is found.
        rows: detector rows that are reconstructed.
        fields: flats and darks of these rows, where they are read already.

    Raises:
        InputError: neither method has what it needs.
    """
    if settings.centre != "auto":
        return Centre(float(settings.centre), "given", None)
    fields = fields or read_needed(scan, settings, rows)
    found = _from_pairs(scan, settings, rows, fields)
    middle = (scan.shape[2] - 1) / 2
    around, reach = (found[0], 4 * settings.centre_tolerance) if found else (middle, scan.shape[2] / 5)
    second = _by_vo(scan, settings, rows, fields, around, reach)
    if found is None:
        if second is None:
            raise InputError(
                f"{scan.path}: its angles have no two projections half a turn apart and do not cover half a turn, so "
                "the centre cannot be found. Give centre: in columns"
            )
        logging.warn("%s: no opposite projections; the centre %.2f is from Vo's method alone", scan.path.name, second)
        return Centre(second, "vo", None)
    disagreement = None if second is None else abs(second - found[0])
    if disagreement is not None and disagreement > settings.centre_tolerance:
        logging.warn(
            "%s: the centre is %.2f by phase correlation but %.2f by Vo's method; the first is used. Look at "
            "a centre gallery and set centre: if it is wrong", scan.path.name, found[0], second
        )  # fmt: skip
    logging.info("%s: centre %.3f columns", scan.path.name, found[0])
    return Centre(found[0], "phase_correlation", found[1], "vo" if second is not None else None, second, disagreement)


def _from_pairs(
    scan: Scan, settings: ReconstructionSettings, rows: slice, fields: Fields | None
) -> tuple[float, float | None] | None:
    pairs = opposite_pairs(scan.angles)
    if not pairs:
        return None
    rows = _middle_rows(rows)
    estimates, errors = [], []
    for first, second, miss in pairs:
        images = [_projection(scan, settings, index, rows, fields) for index in (first, second)]
        drift = _drift(scan, settings, rows, fields, first, second, miss, images) if abs(miss) > 1e-4 else 0.0
        value, error = from_opposite(images[0], images[1], drift)
        estimates.append(value)
        errors.append(error)
    if len(estimates) > 2:
        return float(np.median(estimates)), float(np.std(estimates) / np.sqrt(len(estimates)))
    return float(np.median(estimates)), errors[0]


def _drift(
    scan: Scan,
    settings: ReconstructionSettings,
    rows: slice,
    fields: Fields | None,
    first: int,
    second: int,
    miss: float,
    images: list[Floats],
) -> float:
    """Estimate by how far features move over the angle that the pair misses, from the projections next to both."""
    order = np.argsort(scan.angles, kind="stable")
    place = {int(index): position for position, index in enumerate(order)}
    moves = []
    for index, image, sign in ((first, images[0], 1.0), (second, images[1], -1.0)):
        at = place[index]
        neighbour = int(order[at + 1 if at + 1 < len(order) and (index == first or at == 0) else at - 1])
        step = scan.angles[neighbour] - scan.angles[index]
        if step == 0:
            continue
        moved, _ = shift_between(image, _projection(scan, settings, neighbour, rows, fields))
        moves.append(sign * moved / step * miss)
    return float(np.mean(moves)) if moves else 0.0


def _by_vo(
    scan: Scan, settings: ReconstructionSettings, rows: slice, fields: Fields | None, around: float, reach: float
) -> float | None:
    step = np.ptp(scan.angles) / (scan.shape[0] - 1)
    if np.ptp(scan.angles) + 1.5 * step < np.pi or scan.shape[0] < 30:
        return None
    if not scan.shape[2] / 6 < around < scan.shape[2] * 5 / 6:
        # Hardly anything is seen from both sides: the method has nothing to work with.
        return None
    row = (rows.start + rows.stop) // 2
    sinogram = _correct(scan, settings, scan.read_rows(row, row + 1), slice(row, row + 1), fields, 0)[0]
    value = vo(sinogram.astype(np.float64), scan.angles, around, reach)
    return float(value) if np.isfinite(value) else None


def _middle_rows(rows: slice) -> slice:
    count = min(rows.stop - rows.start, _MOST_ROWS)
    start = rows.start + (rows.stop - rows.start - count) // 2
    return slice(start, start + count)


def _projection(scan: Scan, settings: ReconstructionSettings, index: int, rows: slice, fields: Fields | None) -> Floats:
    """Return the line integrals of one projection, (rows, columns)."""
    raw = scan.read_projection(index)[rows][None]
    return _correct(scan, settings, raw, rows, fields, index)[:, 0].astype(np.float64)


def _correct(
    scan: Scan,
    settings: ReconstructionSettings,
    raw: NDArray[Any],
    rows: slice,
    fields: Fields | None,
    first: int,
) -> NDArray[np.float32]:
    fields = fields and fields.of_rows(rows.start, rows.stop)
    sinograms, _ = preprocessing.transmissions(raw, fields, scan.moments[first : first + len(raw)])
    preprocessing.fill(sinograms, 0.0 if settings.already_logarithm else 1.0)
    if not settings.already_logarithm:
        preprocessing.minus_logarithm(sinograms, settings.minimum_transmission)
    return sinograms
