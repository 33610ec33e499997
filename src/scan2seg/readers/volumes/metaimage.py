"""MetaImage volumes (.mha, .mhd): a text header, and values in the same file or in another: zlib, plain, or text.

The form of ITK's tools, in which BraTS 2015 is given out. Header keys: itk.org/Wiki/ITK/MetaIO/Documentation.
"""

import math
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scan2seg.config.base import Settings
from scan2seg.errors import InputError
from scan2seg.readers.units import micrometres_of
from scan2seg.readers.volumes import Volume
from scan2seg.readers.volumes.whole import read_whole
from scan2seg.spacing import Spacing

SUFFIXES = (".mha", ".mhd")
_TYPES = {
    "MET_CHAR": "i1",
    "MET_UCHAR": "u1",
    "MET_SHORT": "i2",
    "MET_USHORT": "u2",
    "MET_INT": "i4",
    "MET_UINT": "u4",
    "MET_LONG_LONG": "i8",
    "MET_ULONG_LONG": "u8",
    "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}
_LONGEST_HEADER = 65536
_Read = Callable[[Path, int, tuple[int, ...], np.dtype[Any]], NDArray[Any]]


class Params(Settings):
    """Settings of the reader."""

    key: str | None = None
    """Not used: a MetaImage holds one array."""


def open_volume(path: Path, params: Params) -> Volume:
    """Open a volume; the file's x, y, z becomes (z, y, x). Packed values and text are read whole."""
    header, start = _read_header(path)
    shape, channels = _shape(header, path)
    spacing = _spacing(header, path)
    dtype = np.dtype(_value(header, "ElementType", path, _TYPES)).newbyteorder(">" if _is_big(header) else "<")
    name = header.get("ElementDataFile", "")
    if name != "LOCAL":
        path, start = path.parent / name, int(header.get("HeaderSize", "0"))
        if "%" in name or name.startswith("LIST") or not path.is_file():
            raise InputError(f"{path}: ElementDataFile names no single file beside the header")
    read = _reader(header, path)
    array = (*shape, channels) if channels > 1 else shape

    def plane(axis: int, index: int) -> NDArray[Any]:
        if read is _map_values:
            values = read(path, start, array, dtype)
        else:
            values = read_whole(path, lambda: read(path, start, array, dtype))
        return np.asarray(values[tuple(index if place == axis else slice(None) for place in range(3))])

    return Volume(shape, dtype.newbyteorder("="), plane, spacing, channels, _orientation(header))


def companions(path: Path) -> list[Path]:
    """Return the file of the voxels, where a header names one beside itself."""
    if path.suffix.lower() not in SUFFIXES:
        return []
    try:
        name = _read_header(path)[0].get("ElementDataFile", "LOCAL")
    except (InputError, OSError):
        return []
    return [path.parent / name] if (path.parent / name).is_file() else []


def _read_header(path: Path) -> tuple[dict[str, str], int]:
    """Return the header and the position behind it: ElementDataFile is its last line."""
    with path.open("rb") as file:
        head = file.read(_LONGEST_HEADER)
    header: dict[str, str] = {}
    position = 0
    while "ElementDataFile" not in header:
        end = head.find(b"\n", position)
        line = head[position : end if end >= 0 else len(head)]
        name, equals, value = line.decode("latin-1").partition("=")
        if not equals or (end < 0 and name.strip() != "ElementDataFile"):
            raise InputError(f"{path}: is not a MetaImage; its header has no line ElementDataFile")
        header[name.strip()] = value.strip()
        position = end + 1
    return header, position


def _shape(header: dict[str, str], path: Path) -> tuple[tuple[int, int, int], int]:
    """Return (z, y, x) and the number of channels."""
    sizes = header.get("DimSize", "").split()
    channels = header.get("ElementNumberOfChannels", "1")
    if len(sizes) != 3 or not all(size.isdigit() for size in [*sizes, channels]) or int(channels) < 1:
        raise InputError(f"{path}: DimSize is '{' '.join(sizes)}' with {channels} channels; three sizes are needed")
    x, y, z = (int(size) for size in sizes)
    return (z, y, x), int(channels)


def _spacing(header: dict[str, str], path: Path) -> Spacing | None:
    """Return the voxel size, which is in millimetres unless DistanceUnits says otherwise."""
    text = header.get("ElementSpacing", header.get("ElementSize"))
    if text is None:
        return None
    factor = micrometres_of(header.get("DistanceUnits", "mm")) or 1e3
    try:
        x, y, z = (float(f"{float(length) * factor:.10g}") for length in text.split())
    except ValueError:
        raise InputError(f"{path}: ElementSpacing is '{text}'; three numbers are needed") from None
    return z, y, x


def _orientation(header: dict[str, str]) -> str | None:
    """Return the sides that the axes run towards: each row of the matrix is an axis in left, posterior, superior."""
    try:
        matrix = np.array(header["TransformMatrix"].split(), float).reshape(3, 3)
    except (KeyError, ValueError):
        return None
    axes = [(int(np.abs(row).argmax()), row) for row in matrix]
    return "".join(("RL", "AP", "IS")[main][int(row[main] > 0)] for main, row in axes)


def _value(header: dict[str, str], key: str, path: Path, known: dict[str, str]) -> str:
    if header.get(key) not in known:
        raise InputError(f"{path}: {key} is '{header.get(key)}'; known are {', '.join(known)}")
    return known[header[key]]


def _is_big(header: dict[str, str]) -> bool:
    order = header.get("BinaryDataByteOrderMSB", header.get("ElementByteOrderMSB", "False"))
    return order.lower() == "true"


def _reader(header: dict[str, str], path: Path) -> _Read:
    """Return the function that reads values as the header says they are stored."""
    packed = header.get("CompressedData", "False").lower() == "true"
    if header.get("BinaryData", "True").lower() == "true":
        return _unpack_values if packed else _map_values
    if packed:
        raise InputError(f"{path}: BinaryData is False and CompressedData True; write it with one of them")
    return _parse_values


def _map_values(path: Path, start: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    count = math.prod(shape)
    if path.stat().st_size < start + count * dtype.itemsize:
        raise InputError(f"{path}: ends before its {count} values; copy it again")
    return np.memmap(path, dtype, "r", start, shape)


def _unpack_values(path: Path, start: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    with path.open("rb") as file:
        file.seek(start)
        # no more than the header says: a few kilobytes may unpack to gigabytes
        unpacker = zlib.decompressobj()
        content = unpacker.decompress(file.read(), math.prod(shape) * dtype.itemsize + 1)
    if len(content) % dtype.itemsize or not (unpacker.eof or content):
        raise InputError(f"{path}: its packed values end within one, or are more than its header says; copy it again")
    return _checked(np.frombuffer(content, dtype), shape, path)


def _parse_values(path: Path, start: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    with path.open("rb") as file:
        file.seek(start)
        words = file.read().split()
    try:
        # whole numbers first as such: a 64-bit label is no float
        values = [int(word) for word in words] if dtype.kind in "iu" else [float(word) for word in words]
        return _checked(np.array(values, dtype.newbyteorder("=")), shape, path)
    except (ValueError, OverflowError) as error:
        raise InputError(f"{path}: its values as text are no {dtype.name} ({error})") from None


def _checked(values: Any, shape: tuple[int, ...], path: Path) -> NDArray[Any]:
    if len(values) != math.prod(shape):
        raise InputError(f"{path}: holds {len(values)} values, its header says {math.prod(shape)}")
    return np.asarray(values).reshape(shape)
