"""The OLE container of Zeiss Xradia microscopes. Imported only by its reader.

Streams, little-endian: ``ImageInfo/ImageWidth``, ``ImageHeight``, ``NoOfImages``, ``Angles``, ``PixelSize``,
``DataType`` (3: 8-bit, 5: 16-bit, 10: float); image n, from 1, in ``ImageData{ceil(n / 100)}/Image{n}``; flats in
``ReferenceData/Image``.
"""

import threading
from pathlib import Path
from typing import Any

import numpy as np
import olefile
from numpy.typing import NDArray

from scan2seg.errors import InputError
from scan2seg.readers.scan import Contents, Frames, Selection
from scan2seg.readers.units import attempt, micrometres

_TYPES = {3: "u1", 5: "<u2", 10: "<f4"}


def open_container(path: Path) -> Contents:
    """Open the file and read its header streams.

    Raises:
        InputError: it is unreadable or incomplete.
    """
    try:
        container = olefile.OleFileIO(str(path))
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file") from None
    except Exception as error:
        raise InputError(f"{path}: is not a readable Xradia file ({type(error).__name__}: {error})") from None
    try:
        return _contents(container, path)
    except BaseException:
        container.close()
        raise


def _contents(container: Any, path: Path) -> Contents:
    width, height = (_whole(container, path, f"ImageInfo/Image{side}") for side in ("Width", "Height"))
    count = _whole(container, path, "ImageInfo/NoOfImages")
    code = _whole(container, path, "ImageInfo/DataType")
    if code not in _TYPES:
        raise InputError(f"{path}: has images of type {code}, which is not known")
    missing = [number for number in range(1, count + 1) if not container.exists(_place(number))]
    if missing:
        first = ", ".join(map(str, missing[:3])) + (", ..." if len(missing) > 3 else "")
        raise InputError(
            f"{path}: {len(missing)} of its {count} images are not there (from 1: {first}). Was the scan stopped? "
            "Copy the file again from its source"
        )
    lock = threading.Lock()
    dtype = np.dtype(_TYPES[code])

    def image(name: str, rows: slice, kind: np.dtype[Any]) -> NDArray[Any]:
        with lock:
            content = _stream(container, path, name)
        if len(content) != width * height * kind.itemsize:
            raise InputError(f"{path}: {name} has {len(content)} bytes; {width} x {height} pixels need more or fewer")
        return np.frombuffer(content, kind).reshape(height, width)[rows]

    def read(images: Selection, rows: slice) -> NDArray[Any]:
        numbers = np.arange(1, count + 1)[images]
        return np.stack([image(_place(n), rows, dtype) for n in numbers.tolist()])

    flats = None
    if container.exists("ReferenceData/Image"):
        size = container.get_size("ReferenceData/Image")
        kind = np.dtype("<f4") if size == width * height * 4 else dtype
        flats = Frames((1, height, width), lambda _, rows: image("ReferenceData/Image", rows, kind)[None])
    angles = _floats(container, path, "ImageInfo/Angles")
    size = _floats(container, path, "ImageInfo/PixelSize")
    return Contents(
        projections=Frames((count, height, width), read, None, height),
        flats=flats,
        angles=None if angles is None else angles[:count],
        angle_unit="degrees",
        pixel_size=None if size is None else attempt(lambda: micrometres(size, "um", f"{path}: ImageInfo/PixelSize")),
        close=container.close,
        details={"type": str(dtype)},
    )


def _place(number: int) -> str:
    return f"ImageData{-(-number // 100)}/Image{number}"


def _stream(container: Any, path: Path, name: str) -> bytes:
    try:
        with container.openstream(name) as stream:
            return bytes(stream.read())
    except Exception as error:
        raise InputError(
            f"{path}: its stream {name} cannot be read, the file may be truncated ({type(error).__name__}: {error})"
        ) from None


def _whole(container: Any, path: Path, name: str) -> int:
    content = _stream(container, path, name)
    if len(content) < 4:
        raise InputError(f"{path}: its stream {name} is too short")
    value = int(np.frombuffer(content[:4], "<i4")[0])
    if not 0 < value < 2**31 - 1:
        raise InputError(f"{path}: its stream {name} says {value}")
    return value


def _floats(container: Any, path: Path, name: str) -> NDArray[np.float64] | None:
    if not container.exists(name):
        return None
    content = _stream(container, path, name)
    return np.frombuffer(content[: len(content) // 4 * 4], "<f4").astype(np.float64)
