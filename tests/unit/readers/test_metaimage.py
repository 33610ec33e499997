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


def write_header(path: Path, content: bytes, **changes: str) -> Path:
    head = HEADER.format(big=False, compressed=False, file="LOCAL")
    for key, value in changes.items():
        start = head.find(f"{key} =")
        head = (
            f"{key} = {value}\n{head}"
            if start < 0
            else head.replace(head[start : head.find("\n", start)], f"{key} = {value}")
        )
    path.write_bytes(head.encode() + content)
    return path


def test_values_as_text_are_read(tmp_path: Path) -> None:
    text = " ".join(map(str, VALUES.ravel())).encode()
    volume = open_volume(write_header(tmp_path / "a.mha", text, BinaryData="False"))
    assert np.array_equal(volume.plane(0, 1), VALUES[1]) and np.array_equal(volume.plane(2, 0), VALUES[:, :, 0])
    short = open_volume(write_header(tmp_path / "b.mha", text[:-4], BinaryData="False"))
    with pytest.raises(InputError, match=r"b\.mha.*holds 23 values, its header says 24"):
        short.plane(0, 0)
    words = open_volume(write_header(tmp_path / "c.mha", text.replace(b"-5", b"1.5"), BinaryData="False"))
    with pytest.raises(InputError, match=r"c\.mha.*no int16"):
        words.plane(0, 0)


def test_the_header_says_the_size_of_voxels_and_the_channels(tmp_path: Path) -> None:
    path = write_header(tmp_path / "a.mha", VALUES.tobytes(), ElementSpacing="0.5 0.5 2")
    volume = open_volume(path)
    assert volume.spacing == (2000, 500, 500) and volume.pixel_size(0) == 500 and volume.pixel_size(1) == 1000
    small = open_volume(write_header(tmp_path / "b.mha", VALUES.tobytes(), ElementSpacing="3 2 1", DistanceUnits="um"))
    assert small.spacing == (1, 2, 3)
    with pytest.raises(InputError, match=r"c\.mha: its voxel size is \(1000, 0, 1000\).*repair the header"):
        open_volume(write_header(tmp_path / "c.mha", VALUES.tobytes(), ElementSpacing="1 0 1"))
    colours = write_header(tmp_path / "d.mha", VALUES.tobytes(), DimSize="2 2 2", ElementNumberOfChannels="3")
    assert open_volume(colours).channels == 3
    assert np.array_equal(open_volume(colours).plane(0, 1), VALUES.reshape(2, 2, 2, 3)[1])


def test_the_sides_that_axes_run_towards_are_those_of_nifti(tmp_path: Path) -> None:
    for matrix, expected in (
        ("1 0 0 0 1 0 0 0 1", "LPS"),
        ("-1 0 0 0 -1 0 0 0 1", "RAS"),
        ("0 1 0 0 0 -1 1 0 0", "PIL"),
    ):
        path = write_header(tmp_path / "a.mha", VALUES.tobytes(), TransformMatrix=matrix)
        assert open_volume(path).orientation == expected


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
    bomb = open_volume(write(tmp_path / "bomb.mha", zlib.compress(bytes(50_000_000)), compressed=True))
    with pytest.raises(InputError, match=r"bomb\.mha: its packed values end within one, or are more than"):
        bomb.plane(0, 0)
