"""MetaImage volumes as ITK's tools write them: plain, compressed, either byte order; damaged ones are named."""

import zlib
from pathlib import Path

import numpy as np
import pytest

from scan2seg.errors import InputError
from scan2seg.readers.volumes import open_volume

VALUES = np.arange(2 * 3 * 4, dtype="<i2").reshape(2, 3, 4) - 5
HEADER = """ObjectType = Image
NDims = 3
BinaryData = True
BinaryDataByteOrderMSB = {big}
CompressedData = {compressed}
DimSize = 4 3 2
ElementType = MET_SHORT
ElementDataFile = {file}
"""


def write(path: Path, content: bytes, *, big: bool = False, compressed: bool = False, file: str = "LOCAL") -> Path:
    head = HEADER.format(big=big, compressed=compressed, file=file).encode()
    path.write_bytes(head + (content if file == "LOCAL" else b""))
    return path


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("compressed", [False, True])
def test_values_come_back_along_every_axis(tmp_path: Path, big: bool, compressed: bool) -> None:
    content = VALUES.astype(">i2" if big else "<i2").tobytes()
    path = write(tmp_path / "a.mha", zlib.compress(content) if compressed else content, big=big, compressed=compressed)
    volume = open_volume(path)
    assert volume.shape == (2, 3, 4) and volume.dtype == np.dtype("i2")
    for axis in range(3):
        assert np.array_equal(volume.plane(axis, 1), np.take(VALUES, 1, axis))


def test_values_may_stand_in_a_file_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "a.raw").write_bytes(VALUES.tobytes())
    assert np.array_equal(open_volume(write(tmp_path / "a.mhd", b"", file="a.raw")).plane(0, 0), VALUES[0])
    with pytest.raises(InputError, match="names no single file"):
        open_volume(write(tmp_path / "b.mhd", b"", file="slice%03d.raw"))


def test_damaged_files_are_named(tmp_path: Path) -> None:
    cut = open_volume(write(tmp_path / "cut.mha", VALUES.tobytes()[:-3]))
    with pytest.raises(InputError, match=r"cut\.mha.*ends before its 24 values"):
        cut.plane(0, 0)
    packed = open_volume(write(tmp_path / "packed.mha", zlib.compress(VALUES.tobytes())[:-9], compressed=True))
    with pytest.raises(InputError, match=r"packed\.mha"):
        packed.plane(0, 0)
    (tmp_path / "other.mha").write_bytes(b"\x00\x01 nothing")
    with pytest.raises(InputError, match="is not a MetaImage"):
        open_volume(tmp_path / "other.mha")
