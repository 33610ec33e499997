"""Angles of a scan, from wherever they are given, in radians or an error: never guessed wrong in silence."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scan2seg.config.reconstruction import AngleRange
from scan2seg.errors import InputError
from scan2seg.readers.scan import Series
from scan2seg.readers.units import angle_unit

Angles = NDArray[np.float64]
_WORDS = re.compile(r"(?<![^\W_])(?:[^\W\d_]*rad(?:ian)?s?|deg(?:ree)?s?|grads?|gons?|arcmin|arcsec)(?![^\W_])|°")
_BRACKETS = re.compile(r"(?:angle|theta|rot)\w*\s*[(\[]\s*([^)\]]*?)\s*[)\]]")
_COLUMN = re.compile(r"angle|theta|rot", re.IGNORECASE)


GivenAngles = AngleRange | Sequence[float] | Path | str


def angles_from(value: GivenAngles, count: int, where: str, series: Series | None = None) -> tuple[Angles, str]:
    """Turn a setting (a range, a list, or a file) into angles and their unit.

    A range and a list are in degrees; a file may be text, CSV or ``.npy`` with one angle a line, in degrees unless its
    first line names radians. A range counts projections that are known to have been left out.

    Raises:
        InputError: the value or the file is none of these.
    """
    if isinstance(value, AngleRange):
        places = series.places if series is not None and series.skipped else np.arange(count)
        share = places / max(float(places[-1]), 1.0)
        return value.start + share * (value.stop - value.start), "degrees"
    if isinstance(value, str | Path):
        return read_angles(Path(value))
    try:
        return np.asarray(value, dtype=np.float64).reshape(-1), "degrees"
    except (TypeError, ValueError):
        raise InputError(f"{where}: angles: {value!r} is not a range, a list of numbers or a file") from None


def read_angles(path: Path) -> tuple[Angles, str]:
    """Read a file of angles: one number a line, or columns under a header of which one names an angle.

    Raises:
        InputError: the file is missing, a line holds no number or several, or the header names another unit.
    """
    try:
        if path.suffix == ".npy":
            return _array_of_angles(np.load(path, allow_pickle=False), path), "degrees"
        lines = path.read_text("utf-8-sig").splitlines()
    except InputError:
        raise
    except Exception as error:  # numpy reads the header as Python code: damaged ones raise nearly anything
        raise InputError(f"{path}: is not a file of angles, one a line ({error})") from None
    numbered = [(number, line.strip()) for number, line in enumerate(lines, 1) if line.strip()]
    header = numbered.pop(0)[1].strip("# ") if numbered and _is_header(numbered[0][1]) else ""
    rows = [(number, _cells(line)) for number, line in numbered if not line.startswith("#")]
    if not rows:
        raise InputError(f"{path}: holds no angles; write one a line")
    column, width = _angle_column(header, len(rows[0][1]))
    angles = [_number(cells, column, width, f"{path}: line {number}") for number, cells in rows]
    return np.array(angles), _unit_of(header, str(path))


def match_angles(angles: Angles, count: int, series: Series | None, where: str) -> Angles:
    """Return the angles of the projections where more are given: one an image of the series, or at a standstill.

    The image key, or the numbers in the names, say which images are projections. Otherwise angles before and after
    the rotation, at which it stood still, were those of flats and darks, if that leaves as many as there are
    projections.

    Raises:
        InputError: neither tells which angle belongs to which projection.
    """
    if len(angles) == count:
        return angles
    if series is not None and len(angles) == series.length:
        return np.asarray(angles[series.places])
    steps = np.abs(np.diff(angles))
    if len(angles) > count and steps.any():
        moving = np.flatnonzero(steps > 0.05 * np.median(steps[steps > 1e-9 * steps.max()]))
        if len(moving) and moving[-1] + 2 - moving[0] == count:
            return np.asarray(angles[moving[0] : moving[-1] + 2])
    total = "" if series is None else f" among {series.length} images"
    raise InputError(
        f"{where}: has {count} projections{total} but {len(angles)} angles, and nothing tells which belong together. "
        "Give angles: with one a projection"
    )


def checked_radians(angles: Angles | None, unit: str | None, count: int, where: str) -> Angles:
    """Return plausible angles in radians.

    Without a unit they are degrees if they cover 10 or more, radians if they cover about half a turn or a full one.

    Raises:
        InputError: there are none, their number or unit is wrong, they are not finite, two neighbours are equal, or
            they are of no plausible range.
    """
    if angles is None:
        raise InputError(f"{where}: has no angles. Give them as angles: {{start: 0, stop: 180}}, a list or a file")
    if angles.size != count:
        raise InputError(f"{where}: has {count} projections but {angles.size} angles. Give angles: as a range or list")
    if count < 2:
        raise InputError(f"{where}: has one projection; a reconstruction needs many, over at least half a turn")
    if not np.isfinite(angles).all():
        raise InputError(f"{where}: {np.count_nonzero(~np.isfinite(angles))} angles are not finite numbers")
    extent = float(np.ptp(angles))
    turns = extent / 360 if _in_degrees(extent, angle_unit(unit, where), count, where) else extent / (2 * np.pi)
    if turns < 1 / 36:
        raise InputError(f"{where}: the angles cover only {turns * 360:.3g} degrees. Are they in the unit they claim?")
    if turns > 1000:
        raise InputError(f"{where}: the angles cover {turns:.4g} turns. Are they in the unit they claim?")
    equal = np.flatnonzero(np.diff(angles) == 0)
    if len(equal):
        raise InputError(
            f"{where}: {len(equal)} projections have the angle of the one before, the first is number {equal[0] + 1} "
            f"(from 0) at {angles[equal[0]]:.6g}. Were these angles written? Give angles:"
        )
    return np.asarray(angles * (2 * np.pi * turns / extent), dtype=np.float64)


def _array_of_angles(values: Any, path: Path) -> Angles:
    """Return the numbers of an array that has one axis longer than one."""
    if values.dtype.kind not in "uif" or values.size != max(values.shape, default=1):
        raise InputError(f"{path}: holds an array {values.shape} of {values.dtype}; save one real number a projection")
    return np.asarray(values, dtype=np.float64).reshape(-1)


def _cells(line: str) -> list[str]:
    return [cell for cell in re.split(r"[,;\s]+", line) if cell]


def _is_header(line: str) -> bool:
    """Tell whether the first line names something: a comment, or words that are no numbers (as nan is)."""
    try:
        return line.startswith("#") or not [float(cell) for cell in _cells(line)]
    except ValueError:
        return re.match(r"[^\W\d_]", line.lstrip("\"'([{")) is not None


def _angle_column(header: str, width: int) -> tuple[int, int]:
    """Return which column holds the angles, and how many columns there must be: one, or as many as the header names."""
    words = [cell.strip("\"'") for cell in _cells(header)]  # what stands in brackets belongs to the name before
    names = [word for word in words if re.match(r"[^\W\d]", word) and not _WORDS.fullmatch(word.lower())]
    named = [place for place, name in enumerate(names) if _COLUMN.search(name)]
    return (named[0], width) if len(names) == width > 1 and len(named) == 1 else (0, 1)


def _number(cells: list[str], column: int, width: int, where: str) -> float:
    if len(cells) != width:
        shown = ", ".join(cells[:4])
        raise InputError(
            f"{where}: has {len(cells)} numbers ({shown}) where {width} belong. Write one angle a line, with a decimal "
            "point, not a comma; or columns under a header that names one of them angle"
        )
    try:
        return float(cells[column])
    except ValueError:
        raise InputError(f"{where}: '{cells[column]}' is no number") from None


def _unit_of(header: str, where: str) -> str:
    """Return the unit that a header names, degrees if it names none."""
    match = _BRACKETS.search(header.lower()) or _WORDS.search(header.lower())
    return angle_unit((match.groups() or (match.group(),))[0], where) or "degrees" if match else "degrees"


def _in_degrees(extent: float, unit: str | None, count: int, where: str) -> bool:
    step = extent / (count - 1)
    if unit == "degrees" and np.pi * 0.9 < extent < 2.1 * np.pi and step < np.deg2rad(20) and count > 30:
        raise InputError(
            f"{where}: the angles are said to be degrees but cover {extent:.4g}, half or a full turn in radians. "
            "Give angles: as a range or list in degrees"
        )
    if unit == "radians" and extent > 100:
        raise InputError(f"{where}: the angles are said to be radians but cover {extent:.4g}. Give angles: in degrees")
    if unit:
        return unit == "degrees"
    if extent >= 10:
        return True
    if 0.8 * np.pi < extent < 2.1 * np.pi:
        return False
    raise InputError(
        f"{where}: the angles cover {extent:.4g} of an unnamed unit, neither half a turn in degrees nor in radians. "
        "Give angles: as a range or list in degrees"
    )
