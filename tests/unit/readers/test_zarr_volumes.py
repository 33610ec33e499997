"""Zarr volumes: the voxel size of their metadata, chunks that are gone, values that are no numbers."""

import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
import zarr

from scan2seg.errors import InputError
from scan2seg.readers.volumes import open_volume
from scan2seg.storage import create_volume, open_store

VALUES = np.random.default_rng(0).integers(1, 99, (10, 12, 14)).astype("u2")


def write(path: Path, values: np.ndarray = VALUES, **settings) -> zarr.Array:
    array = zarr.create_array(path, shape=values.shape, dtype=values.dtype, chunks=(4, 6, 7), **settings)
    array[:] = values
    return array


def chunk_files(path: Path) -> list[Path]:
    return sorted(file for file in path.rglob("*") if file.is_file() and not file.name.startswith((".z", "zarr.json")))


@pytest.mark.parametrize("version", [2, 3])
def test_a_chunk_that_is_gone_is_named_by_count_and_slices(tmp_path: Path, version: int) -> None:
    write(tmp_path / "v.zarr", zarr_format=version)
    assert open_volume(tmp_path / "v.zarr").find_gaps() is None
    files = chunk_files(tmp_path / "v.zarr")
    assert len(files) == 12
    files[5].unlink()
    gaps = open_volume(tmp_path / "v.zarr").find_gaps()
    assert gaps is not None and "1 of 12 chunks are not there, in slices 4 to 7; they read as 0" in gaps


def test_chunks_within_shards_are_looked_at(tmp_path: Path) -> None:
    values = VALUES.copy()
    values[8:, :6] = 0
    for end in ("end", "start"):
        path = tmp_path / f"{end}.zarr"
        write(path, values, shards={"shape": (8, 12, 14), "index_location": end})
        gaps = open_volume(path).find_gaps()
        assert gaps is not None and "2 of 12 chunks are not there, in slices 8 to 9" in gaps
        chunk_files(path)[0].unlink()
        gaps = open_volume(path).find_gaps()
        assert gaps is not None and "10 of 12 chunks are not there, in slices 0 to 9" in gaps


def test_our_own_volumes_hold_chunks_of_zeros_too(tmp_path: Path) -> None:
    group = zarr.open_group(tmp_path / "ours.zarr", mode="w")
    create_volume(group, (5, 600, 30), "u1", per_shard=2, pixel_size=0.5)[:] = 0
    volume = open_volume(tmp_path / "ours.zarr")
    assert volume.find_gaps() is None and volume.spacing == (0.5, 0.5, 0.5)
    shutil.rmtree(tmp_path / "ours.zarr" / "volume" / "c" / "1")
    gaps = open_volume(tmp_path / "ours.zarr").find_gaps()
    assert gaps is not None and "4 of 10 chunks of volume are not there, in slices 2 to 3" in gaps


def test_the_voxel_size_is_that_of_the_level_in_its_units(tmp_path: Path) -> None:
    group = zarr.open_group(tmp_path / "ome.zarr", mode="w")
    for name, step in (("0", 1), ("1", 2)):
        group.create_array(name, data=VALUES[::step, ::step, ::step])
    levels = [
        {"path": name, "coordinateTransformations": [{"type": "scale", "scale": [step * 2.0, step, step]}]}
        for name, step in (("0", 1.0), ("1", 2.0))
    ]
    axes = [{"name": name, "type": "space", "unit": "nanometer"} for name in "zyx"]
    group.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": levels}]}
    assert open_volume(tmp_path / "ome.zarr").spacing == pytest.approx((0.002, 0.001, 0.001))
    assert open_volume(tmp_path / "ome.zarr", "1").spacing == pytest.approx((0.004, 0.002, 0.002))
    del group.attrs["ome"]
    for size, message in ((0, "not positive numbers"), (-1.5, "not positive"), ("12 nm", "a number of micrometres")):
        open_store(tmp_path / "ome.zarr")
        group.attrs["pixel_size"] = size
        with pytest.raises(InputError, match=message):
            open_volume(tmp_path / "ome.zarr", "0")


def test_values_that_are_no_real_numbers_are_refused(tmp_path: Path) -> None:
    zarr.create_array(tmp_path / "c.zarr", data=np.ones((2, 3, 4), np.complex128))
    with pytest.raises(InputError, match=r"c\.zarr: holds complex numbers; save their magnitude"):
        open_volume(tmp_path / "c.zarr")
    zarr.create_array(tmp_path / "s.zarr", data=np.full((2, 3, 4), "7", "U3"))
    with pytest.raises(InputError, match=r"s\.zarr: holds values of type"):
        open_volume(tmp_path / "s.zarr")
    for name, values in (
        ("compound", np.zeros((2, 3, 4), [("a", "f4"), ("b", "f4")])),
        ("text", np.full((2, 3, 4), b"7", "S3")),
        ("complex", np.ones((2, 3, 4), np.complex64)),
    ):
        with h5py.File(tmp_path / f"{name}.h5", "w") as file:
            file["data"] = values
        with pytest.raises(InputError, match=rf"{name}\.h5: holds"):
            open_volume(tmp_path / f"{name}.h5")
