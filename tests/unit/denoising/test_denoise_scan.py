import numpy as np
import pytest
import zarr

from scan2seg import storage
from scan2seg.config.base import Plugin
from scan2seg.denoising.scan import denoise_scan
from scan2seg.errors import InputError

resolve = Plugin("denoising").resolve
CHAIN = [
    resolve({"method": "gaussian", "radius": 0.5, "dimensions": 3}),
    resolve({"method": "non_local_means", "patch_size": 3, "patch_distance": 2, "dimensions": 3, "device": "cpu"}),
    resolve({"method": "unsharp_mask", "radius": 0.6, "dimensions": 3}),
]
ACROSS = [
    resolve({"method": "gaussian", "radius": 0.5, "dimensions": 3}),
    resolve({"method": "median", "dimensions": 3}),
    resolve({"method": "bilateral", "radius": 1.0, "dimensions": 3}),
    resolve({"method": "total_variation", "iterations": 3, "dimensions": 3}),
]


@pytest.fixture
def store(tmp_path):
    rng = np.random.default_rng(0)
    values = (np.linspace(0, 1, 24)[:, None, None] + rng.normal(0, 0.1, (24, 33, 30))).astype(np.float32)
    with storage.creating(tmp_path / "volume.zarr") as group:
        storage.create_volume(group, values.shape, pixel_size=0.5)[:] = values
        group.attrs.update({"centre": 15.25, "provenance": {"settings": {"backend": "gridding"}}})
    return tmp_path / "volume.zarr"


def read(path):
    return zarr.open_group(path, mode="r")["volume"][:]


@pytest.fixture
def small_shards(monkeypatch):
    """Shards of five slices; slabs are as many of them as memory allows, one of them at least."""
    monkeypatch.setattr(storage, "TARGET_SHARD_BYTES", 5 * 33 * 30 * 4)


@pytest.mark.parametrize("steps", [CHAIN, *([step] for step in ACROSS)], ids=str)
def test_the_result_does_not_depend_on_slabs_or_threads(store, tmp_path, monkeypatch, steps):
    denoise_scan(store, tmp_path / "whole.zarr", steps)
    assert read(tmp_path / "whole.zarr").std() != read(store).std()
    monkeypatch.setattr(storage, "TARGET_SHARD_BYTES", 5 * 33 * 30 * 4)
    for memory, threads in ((1, 2), (10 * 33 * 30 * 4 * 20, 1)):
        denoise_scan(store, tmp_path / "slabs.zarr", steps, threads=threads, memory=memory)
        np.testing.assert_array_equal(read(tmp_path / "whole.zarr"), read(tmp_path / "slabs.zarr"))


def test_slabs_for_which_memory_is_short_are_told_with_the_memory_that_would_do(store, tmp_path, small_shards, caplog):
    steps = [resolve({"method": "gaussian", "radius": 1.0, "dimensions": 3})]
    denoise_scan(store, tmp_path / "out.zarr", steps, memory=1)
    (said,) = [message for message in caplog.messages if "mem_mb" in message]
    assert "slabs of 5 slices, of which each needs 4 more on both sides, so 2.3 times the volume is computed" in said
    denoise_scan(store, tmp_path / "out.zarr", steps, memory=10**9)
    assert len([message for message in caplog.messages if "mem_mb" in message]) == 1


def test_the_output_says_what_it_is_and_how_it_was_made(store, tmp_path):
    denoise_scan(store, tmp_path / "out.zarr", CHAIN)
    attributes = zarr.open_group(tmp_path / "out.zarr", mode="r").attrs
    assert attributes["centre"] == 15.25
    assert attributes["pixel_size"] == 0.5
    assert attributes["ome"]["multiscales"][0]["datasets"][0]["path"] == "volume"
    assert attributes["reconstruction_provenance"]["settings"] == {"backend": "gridding"}
    assert attributes["provenance"]["settings"]["denoising"] == [step.content() for step in CHAIN]
    # The second step sees what the first has left of the noise of 0.1.
    assert 0.01 < attributes["denoising"][1]["noise"] < 0.09


def test_no_steps_copy(store, tmp_path):
    denoise_scan(store, tmp_path / "out.zarr", [])
    np.testing.assert_array_equal(read(tmp_path / "out.zarr"), read(store))


def test_values_that_are_not_finite_are_replaced_counted_and_stay_where_they_were(store, tmp_path, small_shards):
    values = read(store)
    values[7, 4, 5], values[8, :3, 0] = np.inf, np.nan
    zarr.open_group(store, mode="r+")["volume"][:] = values
    denoise_scan(store, tmp_path / "out.zarr", CHAIN, memory=1)
    found = read(tmp_path / "out.zarr")
    assert np.isfinite(found).all()
    assert zarr.open_group(tmp_path / "out.zarr", mode="r").attrs["not_finite"] == 4
    assert np.abs(found).max() < 2


def test_bad_input_is_told_and_leaves_nothing(store, tmp_path):
    with pytest.raises(InputError, match="missing"):
        denoise_scan(tmp_path / "missing.zarr", tmp_path / "out.zarr", CHAIN)
    zarr.open_group(store, mode="r+")["volume"][:] = np.nan
    with pytest.raises(InputError, match="no finite values"):
        denoise_scan(store, tmp_path / "out.zarr", CHAIN)
    assert [path.name for path in tmp_path.iterdir()] == ["volume.zarr"]


def test_a_failing_write_ends_the_stage_with_nothing_written(store, tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(zarr.Array, "__setitem__", fail)
    with pytest.raises(InputError, match="disk is full"):
        denoise_scan(store, tmp_path / "out.zarr", CHAIN, memory=1)
    assert not (tmp_path / "out.zarr").exists()
