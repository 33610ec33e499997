import numpy as np
import pytest
import zarr

from scan2seg import storage
from scan2seg.config.base import Plugin
from scan2seg.denoising.scan import denoise_scan
from scan2seg.denoising.split_training import apply, reach, train
from scan2seg.errors import InputError


@pytest.fixture(scope="module")
def scan():
    """Return discs, and four noisy views of them with independent noise."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:64, :62]
    clean = np.zeros((6, 64, 62))
    for row, column, radius in rng.uniform((0, 0, 5), (64, 62, 12), (9, 3)):
        clean[:, np.hypot(y - row, x - column) < radius] += 0.5
    return clean, (clean + rng.normal(0, 0.4, (4, *clean.shape))).astype(np.float32)


def error(image, clean):
    return np.sqrt(((image - clean) ** 2).mean())


@pytest.fixture(scope="module")
def weights(scan):
    return train(scan[1], width=8, steps=150, crop=48, batch=4, learning_rate=5e-3)


def test_it_beats_the_mean_of_its_input_by_far(scan, weights):
    clean, parts = scan
    assert error(apply(parts, weights), clean) < 0.6 * error(parts.mean(axis=0), clean)


def test_same_seed_same_result(scan):
    first, second, other = (train(scan[1], width=4, steps=3, crop=16, seed=seed) for seed in (1, 1, 2))
    assert all(np.array_equal(first[name], second[name]) for name in first)
    assert not all(np.array_equal(first[name], other[name]) for name in first)


def test_nothing_beyond_its_reach_matters(weights):
    quiet = np.random.default_rng(1).random((2, 5, 96, 100)).astype(np.float32)
    changed = quiet.copy()
    changed[:, 2, 50, 41] += 5
    places = np.argwhere(apply(changed, weights) != apply(quiet, weights))
    assert (np.abs(places - (2, 50, 41)).max(axis=0) <= reach(3)).all()


def test_as_a_step_it_reads_the_parts_and_leaves_the_rest_to_others(scan, tmp_path, monkeypatch):
    with storage.creating(tmp_path / "volume.zarr") as group:
        storage.create_volume(group, scan[1].shape[1:])[:] = scan[1].mean(axis=0)
        for part, values in enumerate(scan[1]):
            storage.create_array(group, f"part{part}", values.shape, np.float32)[:] = values
    resolve = Plugin("denoising").resolve
    step = resolve({"method": "noise2inverse", "steps": 20, "width": 4, "crop": 32, "batch": 2, "device": "cpu"})
    for name, slices in (("whole", 100), ("slabs", 2)):
        monkeypatch.setattr(storage, "TARGET_SHARD_BYTES", slices * scan[0][0].nbytes)
        denoise_scan(tmp_path / "volume.zarr", tmp_path / f"{name}.zarr", [step, resolve("median")], memory=1)
    whole, slabs = (zarr.open_group(tmp_path / f"{name}.zarr", mode="r")["volume"][:] for name in ("whole", "slabs"))
    assert whole.shape == scan[0].shape
    np.testing.assert_array_equal(whole, slabs)
    with pytest.raises(InputError, match="first step"):
        denoise_scan(tmp_path / "volume.zarr", tmp_path / "out.zarr", [resolve("median"), step])
    with pytest.raises(InputError, match="part0 to part5"):
        denoise_scan(tmp_path / "volume.zarr", tmp_path / "out.zarr", [step.change(splits=6)])
