"""Readers of volumes, one file a format.

A plugin defines ``Params`` (the file's ``key``), ``SUFFIXES``, and ``open_volume(path, params) -> Volume``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from scan2seg import plugins
from scan2seg.errors import InputError


@dataclass(frozen=True)
class Volume:
    """A volume on disk, read a plane at a time.

    ``shape`` is (z, y, x); ``plane(axis, index)`` returns the plane at an index along an axis, with the two
    other axes in their order.
    """

    shape: tuple[int, int, int]
    dtype: Any
    plane: Callable[[int, int], NDArray[Any]]
    pixel_size: float | None = None
    """Micrometres, where the file says it."""


def open_volume(path: Path, key: str | None = None) -> Volume:
    """Open a volume lazily; the suffix decides the reader.

    Raises:
        InputError: the file is missing, unreadable or truncated, no reader takes the suffix, or the key is missing.
    """
    if not path.exists():
        raise InputError(f"{path}: there is no such file")
    for name in plugins.names("readers.volumes"):
        reader = plugins.load("readers.volumes", name)
        if path.name.lower().endswith(reader.SUFFIXES):
            try:
                volume = reader.open_volume(path, reader.Params(key=key))
            except InputError:
                raise
            except Exception as error:
                raise InputError(f"{path}: cannot be read as a volume ({error}); is it complete?") from None
            return _checked(volume, path)
    suffixes = [
        end for name in plugins.names("readers.volumes") for end in plugins.load("readers.volumes", name).SUFFIXES
    ]
    raise InputError(f"{path}: no reader takes this suffix; known are {', '.join(suffixes)}")


def choose_key(names: list[str], key: str | None, path: Path) -> str:
    """Return the key of the array to read: the given one, or the only one."""
    if key is not None and key.strip("/") in names:
        return key.strip("/")
    listed = ", ".join(names) or "none"
    if key is not None:
        raise InputError(f"{path}: has no three-dimensional array '{key}'; it has {listed}")
    if len(names) != 1:
        raise InputError(f"{path}: holds {len(names)} three-dimensional arrays ({listed}); name one with images_key")
    return names[0]


def _checked(volume: Volume, path: Path) -> Volume:
    if len(volume.shape) != 3 or min(volume.shape) < 1:
        raise InputError(f"{path}: has shape {volume.shape}; a volume (z, y, x) is needed")

    def plane(axis: int, index: int) -> NDArray[Any]:
        try:
            return volume.plane(axis, index)
        except Exception as error:
            message = f"plane {index} cannot be read ({error or type(error).__name__}); is the file complete?"
            raise InputError(f"{path}: {message}") from None

    return Volume(volume.shape, volume.dtype, plane, volume.pixel_size)
