"""Coarser levels of volumes hold what is below them, and every volume is valid OME-Zarr."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from ome_zarr_models.v05.image import Image
from scipy.ndimage import center_of_mass

from scan2seg import pyramid
from scan2seg.pyramid import add_levels, halve_image, halve_labels
from scan2seg.storage import create_volume, creating, open_store

SHAPES = st.tuples(st.integers(1, 5), st.integers(1, 6), st.integers(1, 7))


@settings(max_examples=50, deadline=None)
@given(SHAPES, st.integers(0, 10**6))
def test_a_coarse_voxel_is_mean_or_most_frequent_of_those_it_covers(shape: tuple[int, int, int], seed: int) -> None:
    generator = np.random.default_rng(seed)
    image, labels = generator.normal(size=shape).astype(np.float32), generator.integers(0, 3, shape).astype(np.uint8)
    means, modes = halve_image(image), halve_labels(labels)
    assert means.dtype == np.float32 and modes.dtype == np.uint8
    assert means.shape == modes.shape == tuple(-(-length // 2) for length in shape)
    for place in np.ndindex(means.shape):
        corners = [
            tuple(min(2 * start + step, length - 1) for start, step, length in zip(place, steps, shape, strict=True))
            for steps in np.ndindex(2, 2, 2)
        ]
        assert means[place] == pytest.approx(np.mean([image[corner] for corner in corners]), abs=1e-6)
        counts = Counter(int(labels[corner]) for corner in corners)
        assert modes[place] == min(label for label, count in counts.items() if count == max(counts.values()))


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_levels_are_valid_ome_zarr_and_lie_on_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dtype: str
) -> None:
    monkeypatch.setattr(pyramid, "SMALLEST", 16)
    volume = np.zeros((31, 64, 50), dtype)
    volume[8:16, 16:48, 8:24] = 1
    with creating(tmp_path / "v.zarr") as group:
        form = {"pixel_size": 2.0, "spacing": (4.0, 2.0, 2.0), "per_shard": 7}
        create_volume(group, volume.shape, dtype, **form)[:] = volume
        add_levels(group, "volume")
    store = open_store(tmp_path / "v.zarr")
    read = Image.from_zarr(zarr.open_group(str(tmp_path / "v.zarr"), mode="r"))
    (multiscale,) = read.attributes.ome.multiscales
    assert [level.path for level in multiscale.datasets] == ["volume", "volume_2", "volume_4"]
    assert [axis.unit for axis in multiscale.axes] == ["micrometer"] * 3
    for level in multiscale.datasets:
        array = np.asarray(store[level.path])
        scale, *moves = (np.array(getattr(step, step.type)) for step in level.coordinateTransformations)
        middle = np.array(center_of_mass(array)) * scale + (moves[0] if moves else 0)
        assert middle == pytest.approx([11.5 * 4, 31.5 * 2, 15.5 * 2]), level.path
        assert set(np.unique(array)) == {0, 1}


def test_a_small_volume_has_one_level(tmp_path: Path) -> None:
    with creating(tmp_path / "v.zarr") as group:
        create_volume(group, (3, 4, 256))[:] = 1
        add_levels(group, "volume")
    assert list(open_store(tmp_path / "v.zarr").keys()) == ["volume"]
    Image.from_zarr(zarr.open_group(str(tmp_path / "v.zarr"), mode="r"))
