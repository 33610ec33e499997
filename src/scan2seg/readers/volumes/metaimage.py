"""MetaImage volumes (.mha, .mhd): a text header, and values in the same file or in another, zlib or plain.

The form of ITK's tools, in which BraTS 2015 is given out. Header keys: itk.org/Wiki/ITK/MetaIO/Documentation.
"""

import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scan2seg.config.base import Settings
from scan2seg.errors import InputError
from scan2seg.readers.volumes import Volume

SUFFIXES = (".mha", ".mhd")
_TYPES = {
    "MET_CHAR": "i1",
    "MET_UCHAR": "u1",
    "MET_SHORT": "i2",
    "MET_USHORT": "u2",
    "MET_INT": "i4",
    "MET_UINT": "u4",
    "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}
_LONGEST_HEADER = 65536


class Params(Settings):
    """Settings of the reader."""

    key: str | None = None
    """Not used: a MetaImage holds one array."""


def open_volume(path: Path, params: Params) -> Volume:
    """Open a volume; the file's x, y, z becomes (z, y, x). Compressed values are read whole at the first plane."""
    header, start = _read_header(path)
    shape = _shape(header, path)
    dtype = np.dtype(_value(header, "ElementType", path, _TYPES)).newbyteorder(">" if _is_big(header) else "<")
    name = header.get("ElementDataFile", "")
    if name != "LOCAL":
        path, start = path.parent / name, int(header.get("HeaderSize", "0"))
        if "%" in name or name.startswith("LIST") or not path.is_file():
            raise InputError(f"{path}: ElementDataFile names no single file beside the header")
    compressed = header.get("CompressedData", "False").lower() == "true"
    loaded: list[NDArray[Any]] = []

    def plane(axis: int, index: int) -> NDArray[Any]:
        if not loaded:
            loaded.append(_read_values(path, start, shape, dtype, compressed))
        return np.asarray(loaded[0][tuple(index if place == axis else slice(None) for place in range(3))])

    return Volume(shape, dtype.newbyteorder("="), plane)


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


def _shape(header: dict[str, str], path: Path) -> tuple[int, int, int]:
    sizes = header.get("DimSize", "").split()
    channels = header.get("ElementNumberOfChannels", "1")
    if len(sizes) != 3 or not all(size.isdigit() for size in sizes) or channels != "1":
        raise InputError(
            f"{path}: DimSize is '{' '.join(sizes)}' with {channels} channels; three sizes and one are read"
        )
    x, y, z = (int(size) for size in sizes)
    return z, y, x


def _value(header: dict[str, str], key: str, path: Path, known: dict[str, str]) -> str:
    if header.get(key) not in known:
        raise InputError(f"{path}: {key} is '{header.get(key)}'; known are {', '.join(known)}")
    return known[header[key]]


def _is_big(header: dict[str, str]) -> bool:
    order = header.get("BinaryDataByteOrderMSB", header.get("ElementByteOrderMSB", "False"))
    return order.lower() == "true"


def _read_values(
    path: Path, start: int, shape: tuple[int, int, int], dtype: np.dtype[Any], compressed: bool
) -> NDArray[Any]:
    count = int(np.prod(shape))
    if not compressed:
        if path.stat().st_size < start + count * dtype.itemsize:
            raise InputError(f"{path}: ends before its {count} values; copy it again")
        return np.memmap(path, dtype, "r", start, shape)
    with path.open("rb") as file:
        file.seek(start)
        content = zlib.decompress(file.read())
    if len(content) != count * dtype.itemsize:
        raise InputError(f"{path}: holds {len(content) // dtype.itemsize} values, its header says {count}")
    return np.frombuffer(content, dtype).reshape(shape)
