"""Readers of volumes, one file a format.

A plugin defines ``Params`` (the file's ``key``), ``SUFFIXES``, and ``open_volume(path, params) -> Volume``.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scan2seg import plugins
from scan2seg.errors import InputError, explain_surroundings
from scan2seg.readers.units import is_length
from scan2seg.spacing import Spacing

KIND = "readers.volumes"


@dataclass(frozen=True)
class Volume:
    """A volume on disk, read a plane at a time.

    ``shape`` is (z, y, x); ``plane(axis, index)`` returns the plane at an index along an axis, with the two
    other axes in their order, and the channels behind them where there are several.
    """

    shape: tuple[int, int, int]
    dtype: Any
    plane: Callable[[int, int], NDArray[Any]]
    spacing: Spacing | None = None
    """Micrometres from voxel to voxel along (z, y, x), where the file says it."""
    channels: int = 1
    """Above 1, planes have a last axis of so many channels."""
    orientation: str | None = None
    """The sides of the body that x, y and z of the file run towards (RAS), where the file says it."""
    find_gaps: Callable[[], str | None] = lambda: None
    """Says what of the volume was never stored, though the file reads as if it were; None where all is there."""

    def pixel_size(self, axis: int = 0) -> float | None:
        """Return the edge of a pixel of the planes along an axis, in micrometres.

        Of a pixel that is no square, the edge of the square of its area: areas and equivalent diameters are exact.
        """
        if self.spacing is None:
            return None
        first, second = (self.spacing[other] for other in range(3) if other != axis)
        return first if first == second else math.sqrt(first * second)

    def slice_spacing(self, axis: int = 0) -> Spacing | None:
        """Return micrometres between the planes along an axis, and between the rows and the columns of a plane."""
        if self.spacing is None:
            return None
        rows, columns = (self.spacing[other] for other in range(3) if other != axis)
        return self.spacing[axis], rows, columns


def open_volume(path: Path, key: str | None = None) -> Volume:
    """Open a volume lazily; the suffix decides the reader.

    Raises:
        InputError: the file is missing, unreadable or truncated, no reader takes the suffix, the key is missing, its
            values are no real numbers, or its voxel size no positive one.
    """
    if not path.exists():
        raise InputError(f"{path}: there is no such file")
    for name in plugins.names(KIND):
        if path.name.lower().endswith(plugins.constant(KIND, name, "SUFFIXES")):
            reader = plugins.load(KIND, name)
            try:
                volume = reader.open_volume(path, reader.Params(key=key))
            except InputError:
                raise
            except Exception as error:
                damaged = f"{path}: cannot be read as a volume ({error}); is it complete?"
                raise InputError(explain_surroundings(path, error) or damaged) from None
            return checked(volume, path)
    raise InputError(f"{path}: no reader takes this suffix; known are {', '.join(suffixes())}")


def suffixes() -> list[str]:
    """List the endings of file names that a reader takes, in lower case."""
    return [end for name in plugins.names(KIND) for end in plugins.constant(KIND, name, "SUFFIXES")]


def choose_key(names: list[str], key: str | None, path: Path) -> str:
    """Return the key of the array to read: the given one, or the only one."""
    if key is not None and key.strip("/") in names:
        return key.strip("/")
    listed = ", ".join(names) or "none"
    if key is not None:
        raise InputError(f"{path}: has no three-dimensional array '{key}'; it has {listed}")
    if not names:
        raise InputError(f"{path}: holds no three-dimensional array")
    if len(names) > 1:
        raise InputError(
            f"{path}: holds {len(names)} three-dimensional arrays ({listed}); name one with images_key or labels_key, "
            "for scan2seg segment with --key"
        )
    return names[0]


def checked(volume: Volume, path: Path | str) -> Volume:
    """Check what a reader found, whatever the format, and name the file in what fails later.

    Raises:
        InputError: it is no volume of real numbers, or its voxel size is no positive number.
    """
    if len(volume.shape) != 3 or min(volume.shape) < 1:
        raise InputError(f"{path}: has shape {volume.shape}; a volume (z, y, x) is needed")
    kind = np.dtype(volume.dtype).kind
    if kind == "c":
        raise InputError(f"{path}: holds complex numbers; save their magnitude or their phase as a volume of its own")
    if kind not in "biuf":
        raise InputError(f"{path}: holds values of type {volume.dtype}; a volume of real numbers is needed")
    if volume.spacing is not None and not all(map(is_length, volume.spacing)):
        shown = ", ".join(f"{length:g}" for length in volume.spacing)
        raise InputError(f"{path}: its voxel size is ({shown}) micrometres, not positive numbers; repair the header")

    def plane(axis: int, index: int) -> NDArray[Any]:
        try:
            return volume.plane(axis, index)
        except InputError:
            raise
        except Exception as error:
            reason = f"plane {index} cannot be read ({error or type(error).__name__}); is the file complete?"
            raise InputError(explain_surroundings(Path(path), error) or f"{path}: {reason}") from None

    return replace(volume, plane=plane)
