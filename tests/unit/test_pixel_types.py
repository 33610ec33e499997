"""Images are stored in the smallest type that holds every value of every image exactly."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from scan2seg.config.dataset import Dataset
from scan2seg.pixel_types import TYPES, TooNarrowError, find_type, store_as
from scan2seg.slices import StackImages, read_slab
from scan2seg.stack import assemble_stack
from scan2seg.storage import open_store

VALUES = st.one_of(st.integers(-40000, 70000).map(float), st.floats(-300, 300, width=32))


@settings(max_examples=300, deadline=None)
@given(arrays(np.float32, (3, 4), elements=VALUES), st.sampled_from(TYPES))
def test_what_is_stored_comes_back_and_nothing_smaller_would_hold_it(pixels: np.ndarray, least: np.dtype) -> None:
    kind = find_type(pixels, least)
    assert np.array_equal(store_as(pixels, kind).astype(np.float32), pixels) and np.can_cast(least, kind)
    for smaller in TYPES[: TYPES.index(kind)]:
        with np.errstate(invalid="ignore"):
            lost = not np.array_equal(pixels.astype(smaller).astype(np.float32), pixels)
        low, high = np.iinfo(smaller).min, np.iinfo(smaller).max
        assert lost or pixels.min() < low or pixels.max() > high or not np.can_cast(least, smaller)
    if kind != least:
        with pytest.raises(TooNarrowError) as caught:
            store_as(pixels, least)
        assert caught.value.wider == kind


def assemble(folder: Path, images: list[np.ndarray]) -> zarr.Group:
    (folder / "images").mkdir()
    for index, pixels in enumerate(images):
        tifffile.imwrite(folder / f"images/{index}.tif", pixels)
    content = {"name": "data", "source": {"kind": "images", "images": "images/*.tif", "intensities": "stored"}}
    dataset = Dataset.model_validate(content, context={"folder": str(folder)})
    assemble_stack(dataset.stack_source(), folder / "stack.zarr", classes=[], threads=2)
    return open_store(folder / "stack.zarr")


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        (["uint8", "uint8"], "uint8"),
        (["uint8", "uint16"], "uint16"),
        (["uint8", "int16"], "int16"),
        (["uint8", "uint16", "int16"], "float32"),
        (["uint8", "float32"], "float32"),
        (["float32", "uint8"], "float32"),
    ],
)
def test_one_image_that_needs_more_widens_all(
    tmp_path: Path, kinds: list[str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # the others are in shards that are written already
    monkeypatch.setattr("scan2seg.storage.TARGET_SHARD_BYTES", 1)
    made = {"uint8": [0, 255], "uint16": [300, 65535], "int16": [-300, 300], "float32": [0.5, 7.25]}
    images = [np.resize(np.array(made[kind], kind), (6, 5)) for kind in kinds]
    store = assemble(tmp_path, images)
    assert store["image"].dtype == np.dtype(expected) and store["image"].shape == (len(kinds), 1, 6, 5)
    assert len(store.attrs["hashes"]) == len(kinds)
    for index, pixels in enumerate(images):
        found = read_slab(StackImages(store), range(index, index + 1), 0, range(len(kinds)))[:, 0]
        assert found.dtype == np.float32 and np.array_equal(found[0], pixels.astype(np.float32))
