"""Every format: the file holds the store's volume, opens as a volume here, is whole or not there, and streams."""

import tracemalloc

import numpy as np
import pytest

from scan2seg import plugins, storage
from scan2seg.config.base import Plugin
from scan2seg.formats.export import export_volume
from scan2seg.readers.volumes import open_volume

KIND = "formats"
NAMES = plugins.names(KIND)


def store(folder, shape=(7, 12, 15), pixel_size=0.65, per_shard=3):
    volume = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    with storage.creating(folder / "volume.zarr") as group:
        storage.create_volume(group, shape, pixel_size=pixel_size, per_shard=per_shard)[:] = volume
        group.attrs.update({"units": "per_millimetre", "orientation": "none", "provenance": {"settings": {"a": 1}}})
    return volume


def export(folder, name, **settings):
    suffix = plugins.load(KIND, name).SUFFIX
    output = folder / f"volume{suffix}"
    export_volume(folder / "volume.zarr", output, Plugin(KIND).resolve({"method": name, **settings}))
    return output


@pytest.mark.parametrize("name", NAMES)
def test_slices_and_rows_are_in_the_order_of_the_store(name, tmp_path):
    volume = store(tmp_path)
    opened = open_volume(export(tmp_path, name))
    assert opened.shape == volume.shape
    assert np.array_equal(np.stack([opened.plane(0, index) for index in range(7)]), volume)
    assert sorted(item.name for item in tmp_path.iterdir()) == [
        "volume" + plugins.load(KIND, name).SUFFIX,
        "volume.zarr",
    ]


@pytest.mark.parametrize("shape", [(1, 9, 8), (2, 3, 4), (5, 1, 6)])
@pytest.mark.parametrize("name", NAMES)
def test_thin_volumes_without_a_pixel_size(name, shape, tmp_path):
    volume = store(tmp_path, shape, pixel_size=None)
    opened = open_volume(export(tmp_path, name))
    assert np.array_equal(np.stack([opened.plane(0, index).reshape(shape[1:]) for index in range(shape[0])]), volume)


@pytest.mark.parametrize("name", NAMES)
def test_a_failure_leaves_the_file_before(name, tmp_path, monkeypatch):
    store(tmp_path)
    output = export(tmp_path, name)
    before = output.read_bytes()

    def broken(array):
        yield np.zeros((12, 15), np.float32)
        raise RuntimeError

    monkeypatch.setattr("scan2seg.formats.export._slices", broken)
    with pytest.raises(RuntimeError):
        export(tmp_path, name)
    assert output.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("name", NAMES)
def test_memory_does_not_grow_with_the_slices(name, tmp_path):
    peaks = []
    for depth in (8, 64):
        store(tmp_path, (depth, 128, 128), per_shard=4)
        export(tmp_path, name)  # imports are not counted
        tracemalloc.start()
        export(tmp_path, name)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 128 * 128 * 4 * 16


def test_tiff_is_one_series_that_says_its_size_and_orientation(tmp_path, monkeypatch):
    import tifffile

    volume = store(tmp_path)
    with tifffile.TiffFile(export(tmp_path, "tiff", compression="zlib")) as tiff:
        assert len(tiff.series) == 1 and tiff.series[0].axes == "ZYX" and len(tiff.pages) == 7
        assert np.array_equal(tiff.asarray(), volume)
        assert 'PhysicalSizeZ="0.65"' in tiff.ome_metadata and "per_millimetre" in tiff.ome_metadata
        numerator, denominator = tiff.pages[0].tags["XResolution"].value
        assert numerator / denominator == pytest.approx(1e4 / 0.65, rel=1e-6)
        assert tiff.pages[0].tags["Orientation"].value == 1
        assert not tiff.is_bigtiff
    monkeypatch.setattr("scan2seg.formats.tiff._LARGE", 1000)
    with tifffile.TiffFile(export(tmp_path, "tiff")) as tiff:
        assert tiff.is_bigtiff and len(tiff.series) == 1


def test_hdf5_says_its_size_and_units(tmp_path):
    import h5py

    volume = store(tmp_path)
    with h5py.File(export(tmp_path, "hdf5", compression="gzip")) as file:
        data = file["volume"]
        assert np.array_equal(data[:], volume) and data.dtype == np.float32
        assert data.attrs["element_size_um"].tolist() == [0.65] * 3
        assert (data.attrs["axes"], data.attrs["units"], data.attrs["orientation"]) == ("zyx", "per_millimetre", "none")
        assert data.attrs["provenance"] == '{"settings": {"a": 1}}'
    volume = store(tmp_path, (2, 513, 700))
    assert export(tmp_path, "hdf5").stat().st_size < 1.1 * volume.nbytes
