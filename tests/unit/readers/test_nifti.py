"""NIfTI volumes against nibabel's own array: types, scaling, channels, colours, voxel size; the unreadable is named."""

from pathlib import Path

import nibabel
import numpy as np
import pytest

from scan2seg.errors import InputError
from scan2seg.readers.volumes import open_volume

SHAPE = (4, 5, 6)
GENERATOR = np.random.default_rng(0)


def write(path: Path, values: np.ndarray, *, zooms: tuple[float, ...] = (1, 1, 1), unit: str = "unknown") -> Path:
    image = nibabel.Nifti1Image(values, None)
    image.header.set_zooms((*zooms, *[1.0] * (values.ndim - 3)))
    image.header.set_xyzt_units(unit)
    nibabel.save(image, path)
    return path


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "A.NII.GZ"])
@pytest.mark.parametrize("dtype", ["u1", "<i2", ">i2", ">f4", "<f8", "<u4", "<i8"])
def test_every_type_and_byte_order_comes_back_along_every_axis(tmp_path: Path, name: str, dtype: str) -> None:
    values = GENERATOR.integers(0, 200, SHAPE).astype(dtype)
    header = nibabel.Nifti1Header(endianness="<>"[values.dtype.byteorder == ">"])
    header.set_data_dtype(values.dtype)
    image = nibabel.Nifti1Image(values, np.eye(4), header)
    nibabel.save(image, tmp_path / name.lower())
    (tmp_path / name.lower()).rename(tmp_path / name)
    volume = open_volume(tmp_path / name)
    assert volume.shape == SHAPE[::-1]
    for axis in range(3):
        assert np.array_equal(volume.plane(axis, 2), np.take(values.transpose(2, 1, 0), 2, axis))


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_the_scaling_of_the_header_is_applied_and_one_that_is_no_number_is_none(tmp_path: Path, name: str) -> None:
    stored = GENERATOR.integers(0, 99, SHAPE).astype("i2")
    for slope, inter, expected in ((0.5, -3.0, stored * 0.5 - 3), (np.nan, np.nan, stored), (0.0, 7.0, stored)):
        image = nibabel.Nifti1Image(stored, np.eye(4))
        image.header.set_slope_inter(None if np.isnan(slope) or slope == 0 else slope, None if slope != 0.5 else inter)
        path = tmp_path / name.replace("a", f"a{slope}")
        nibabel.save(image, path)
        if slope != 0.5 and path.suffix == ".nii":
            content = bytearray(path.read_bytes())
            content[112:120] = np.array([slope, inter], "<f4").tobytes()
            path.write_bytes(content)
        assert np.array_equal(open_volume(path).plane(0, 1), expected[:, :, 1].T)


def test_a_fourth_axis_and_colours_are_channels(tmp_path: Path) -> None:
    values = GENERATOR.normal(size=(*SHAPE, 3)).astype("f4")
    volume = open_volume(write(tmp_path / "four.nii.gz", values))
    assert (volume.shape, volume.channels) == (SHAPE[::-1], 3)
    assert np.array_equal(volume.plane(1, 2), values[:, 2].transpose(1, 0, 2))
    assert open_volume(write(tmp_path / "one.nii", values[..., :1])).plane(0, 0).shape == SHAPE[1::-1]
    colours = np.zeros(SHAPE, [("R", "u1"), ("G", "u1"), ("B", "u1")])
    for channel in "RGB":
        colours[channel] = GENERATOR.integers(0, 255, SHAPE)
    for name in ("rgb.nii", "rgb.nii.gz"):
        volume = open_volume(write(tmp_path / name, colours))
        assert volume.channels == 3
        expected = np.stack([colours[channel][:, :, 4].T for channel in "RGB"], axis=-1)
        assert np.array_equal(volume.plane(0, 4), expected)


def test_what_is_no_volume_of_real_numbers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"complex\.nii: holds complex numbers; save their magnitude"):
        open_volume(write(tmp_path / "complex.nii", np.ones(SHAPE, np.complex64)))
    with pytest.raises(InputError, match=r"time\.nii: has shape \(4, 5, 6, 30\).*time series"):
        open_volume(write(tmp_path / "time.nii", np.ones((*SHAPE, 30), "f4")))


def test_the_size_of_voxels_is_in_micrometres(tmp_path: Path) -> None:
    values = np.ones(SHAPE, "u1")
    assert open_volume(write(tmp_path / "a.nii", values)).spacing is None
    volume = open_volume(write(tmp_path / "b.nii", values, zooms=(0.8, 0.8, 2.5)))
    assert volume.spacing == (2500, 800, 800) and volume.pixel_size(0) == 800
    assert open_volume(write(tmp_path / "c.nii", values, zooms=(1, 2, 3), unit="micron")).spacing == (3, 2, 1)
    assert open_volume(write(tmp_path / "d.nii", values, unit="mm")).spacing == (1000, 1000, 1000)
    path = write(tmp_path / "e.nii", values, unit="mm")
    content = bytearray(path.read_bytes())
    content[80:84] = np.array([0], "<f4").tobytes()
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"e\.nii: its voxel size is \(1000, 1000, 0\)"):
        open_volume(path)
