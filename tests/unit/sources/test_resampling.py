"""Resampling of volumes: linear fields stay exact, labels take the nearest voxel, nothing is skipped."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import zoom

from scan2seg.readers.volumes import Volume
from scan2seg.sources.resampling import resample


def volume_of(values: np.ndarray) -> Volume:
    return Volume(values.shape[:3], values.dtype, lambda axis, index: np.take(values, index, axis))


def whole(volume: Volume, axis: int = 0) -> np.ndarray:
    return np.stack([volume.plane(axis, index) for index in range(volume.shape[axis])], axis)


lengths = st.tuples(*[st.integers(1, 9)] * 3)
spacings = st.tuples(*[st.sampled_from([0.4, 0.7, 1.0, 1.3, 2.0, 3.1])] * 3)


@settings(max_examples=40, deadline=None)
@given(lengths, spacings, spacings, st.sampled_from([0, 1, 2]))
def test_a_linear_field_stays_exact_within_the_volume(shape, old, new, axis) -> None:
    def field(shape: tuple[int, ...], spacing: tuple[float, ...]) -> list[np.ndarray]:
        return np.meshgrid(
            *[(np.arange(n) + 0.5) * step for n, step in zip(shape, spacing, strict=True)], indexing="ij"
        )

    z, y, x = field(shape, old)
    result = resample(volume_of((2 * z - y + 3 * x).astype(np.float32)), old, new, labels=False)
    assert all(abs(m - max(1, n * a / b)) <= 0.5001 for m, n, a, b in zip(result.shape, shape, old, new, strict=True))
    values = whole(result, axis)
    z, y, x = field(result.shape, new)
    inside = np.ones(result.shape, bool)
    for place, n, a, b in zip((z, y, x), shape, old, new, strict=True):
        reach = max(a, b)
        inside &= (place >= reach + a / 2 - 1e-9) & (place <= n * a - a / 2 - reach + 1e-9)
    assert np.allclose(values[inside], (2 * z - y + 3 * x)[inside], atol=1e-4)


@settings(max_examples=40, deadline=None)
@given(lengths, spacings, spacings, st.sampled_from([0, 1, 2]))
def test_labels_are_those_of_the_voxel_that_holds_the_centre(shape, old, new, axis) -> None:
    labels = np.random.default_rng(0).integers(0, 250, shape).astype(np.uint8)
    result = resample(volume_of(labels), old, new, labels=True)
    places = [
        np.minimum(np.floor((np.arange(m) + 0.5) * b / a).astype(int), n - 1)
        for m, n, a, b in zip(result.shape, shape, old, new, strict=True)
    ]
    assert np.array_equal(whole(result, axis), labels[np.ix_(*places)])


def test_smaller_voxels_are_those_of_scipy() -> None:
    values = np.random.default_rng(0).normal(size=(4, 5, 6)).astype(np.float32)
    expected = zoom(values, (2, 3, 1), order=1, grid_mode=True, mode="nearest")
    result = whole(resample(volume_of(values), (2, 3, 1), (1, 1, 1), labels=False), axis=2)
    assert result == pytest.approx(expected, abs=1e-6)


def test_towards_larger_voxels_nothing_is_skipped() -> None:
    stripes = np.zeros((3, 4, 40), np.float32)
    stripes[:, :, ::2] = 1
    coarse = whole(resample(volume_of(stripes), (1, 1, 1), (1, 1, 4), labels=False))
    assert coarse.shape == (3, 4, 10) and np.allclose(coarse, 0.5, atol=0.05)


def test_channels_are_resampled_one_by_one() -> None:
    values = np.random.default_rng(0).normal(size=(4, 5, 6, 3)).astype(np.float32)
    volume = volume_of(values)
    several = whole(resample(volume, (1, 1, 1), (0.5, 2, 0.7), labels=False))
    for channel in range(3):
        single = whole(resample(volume_of(values[..., channel]), (1, 1, 1), (0.5, 2, 0.7), labels=False))
        assert several.shape == (*single.shape, 3)
        assert several[..., channel] == pytest.approx(single, abs=1e-5)
