"""Angles of a scan, from wherever they are given, in radians or an error: never guessed wrong in silence."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scan2seg.errors import InputError

Angles = NDArray[np.float64]


def angles_from(value: Any, count: int, where: str) -> tuple[Angles, str]:
    """Turn a setting (a range ``{start, stop}``, a list, or a file) into angles and their unit.

    A range and a list are in degrees; a file may be text, CSV or ``.npy`` with one angle a line, in degrees unless its
    first line names radians.

    Raises:
        InputError: the value or the file is none of these.
    """
    if isinstance(value, dict):
        if set(value) != {"start", "stop"}:
            raise InputError(f"{where}: angles: {value} is not a range, write {{start: 0, stop: 180}} in degrees")
        return np.linspace(float(value["start"]), float(value["stop"]), count), "degrees"
    if isinstance(value, str | Path):
        return read_angles(Path(value))
    try:
        return np.asarray(value, dtype=np.float64).reshape(-1), "degrees"
    except (TypeError, ValueError):
        raise InputError(f"{where}: angles: {value!r} is not a range, a list of numbers or a file") from None


def read_angles(path: Path) -> tuple[Angles, str]:
    """Read a file of angles.

    Raises:
        InputError: the file is missing or holds no numbers.
    """
    try:
        if path.suffix == ".npy":
            return np.load(path, allow_pickle=False).astype(np.float64).reshape(-1), "degrees"
        text = path.read_text("utf-8")
        lines = [line for line in text.replace(",", " ").replace(";", " ").splitlines() if line.strip()]
        header = lines[0].lower() if lines else ""
        start = 1 if any(letter.isalpha() for letter in header.replace("e+", "").replace("e-", "")) else 0
        numbers = np.array([float(line.split()[-1]) for line in lines[start:] if not line.startswith("#")])
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path}: is not a file of angles, one a line ({error})") from None
    return numbers, "radians" if "rad" in header else "degrees"


def checked_radians(angles: Angles | None, unit: str | None, count: int, where: str) -> Angles:
    """Return plausible angles in radians.

    Without a unit they are degrees if they cover 10 or more, radians if they cover about half a turn or a full one.

    Raises:
        InputError: there are none, their number is wrong, they are not finite, all equal, or of no plausible range.
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
    turns = extent / 360 if _in_degrees(extent, unit, count, where) else extent / (2 * np.pi)
    if turns < 1 / 36:
        raise InputError(f"{where}: the angles cover only {turns * 360:.3g} degrees. Are they in the unit they claim?")
    if turns > 1000:
        raise InputError(f"{where}: the angles cover {turns:.4g} turns. Are they in the unit they claim?")
    return np.asarray(angles * (2 * np.pi * turns / extent), dtype=np.float64)


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
