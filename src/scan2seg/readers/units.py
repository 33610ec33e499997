"""Lengths and angles as files spell their units: converted, or refused by name, never taken for the usual one."""

import math
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from scan2seg.errors import InputError

_MICROMETRES = {
    "m": 1e6, "metre": 1e6, "meter": 1e6,
    "dm": 1e5, "decimetre": 1e5, "decimeter": 1e5,
    "cm": 1e4, "centimetre": 1e4, "centimeter": 1e4,
    "mm": 1e3, "millimetre": 1e3, "millimeter": 1e3,
    "um": 1.0, "µm": 1.0, "μm": 1.0, "micron": 1.0, "micrometre": 1.0, "micrometer": 1.0,
    "nm": 1e-3, "nanometre": 1e-3, "nanometer": 1e-3,
    "å": 1e-4, "angstrom": 1e-4,
    "pm": 1e-6, "picometre": 1e-6, "picometer": 1e-6,
    "in": 25400.0, "inch": 25400.0, "inche": 25400.0,
}  # fmt: skip
_ANGLES = {"deg": "degrees", "degree": "degrees", "°": "degrees", "rad": "radians", "radian": "radians"}
# Without a unit, a size above the first is in micrometres and one below the second in metres; no detector has others.
_SURELY_MICROMETRES, _SURELY_METRES = 0.01, 1e-3


Found = TypeVar("Found")


def attempt(read: Callable[[], Found]) -> Found | InputError:
    """Return what a function reads, or its error: for what the settings may give instead of the file."""
    try:
        return read()
    except InputError as error:
        return error


def is_length(value: float) -> bool:
    """Tell whether a number can be a size: positive and finite."""
    return math.isfinite(value) and value > 0


def micrometres_of(unit: str) -> float | None:
    """Return how many micrometres a unit is; None for pixels and whatever else is no known length."""
    word = unit.strip().lower()
    return _MICROMETRES.get(word, _MICROMETRES.get(word.removesuffix("s")))


def micrometres(value: Any, unit: str, where: str) -> float:
    """Return a pixel size in micrometres. Without a unit one above 0.01 is in micrometres, one up to 0.001 in metres.

    Raises:
        InputError: it is no positive number, its unit is unknown, or it has none and could be either.
    """
    try:
        size = float(np.asarray(value).reshape(-1)[0])
    except (TypeError, ValueError, IndexError):
        raise InputError(f"{where}: the pixel size is {value!r}, no number. Give pixel_size: in micrometres") from None
    if not is_length(size):
        raise InputError(f"{where}: the pixel size is {size:g}, not above 0. Give pixel_size: in micrometres")
    word = unit.strip().lower()
    if word:
        factor = micrometres_of(word)
        if factor is None:
            raise InputError(
                f"{where}: the pixel size {size:g} is in '{unit}', which is no known length. "
                "Give pixel_size: in micrometres"
            )
        return size * factor
    if size > _SURELY_MICROMETRES:
        return size
    if size <= _SURELY_METRES:
        return size * 1e6
    raise InputError(f"{where}: the pixel size {size:g} has no unit. Give pixel_size: in micrometres")


def angle_unit(unit: str | None, where: str) -> str | None:
    """Return ``degrees`` or ``radians``; None where no unit is named.

    Raises:
        InputError: it is another one.
    """
    word = (unit or "").strip().lower()
    if not word:
        return None
    found = _ANGLES.get(word, _ANGLES.get(word.removesuffix("s")))
    if found is None:
        raise InputError(f"{where}: the angles are in '{unit}', neither degrees nor radians. Give angles: in degrees")
    return found
