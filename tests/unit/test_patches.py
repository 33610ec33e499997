from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from scan2seg.config.patching import PatchingSettings
from scan2seg.config.split import SplitSettings
from scan2seg.errors import InputError
from scan2seg.patches import extract_patches
from scan2seg.slices import mirror_places, read_slab
from scan2seg.split import make_folds, make_split
from scan2seg.storage import create_array, creating, open_store, write_json

SIZES = [(20, 30), (25, 18), (9, 9), (25, 30)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    generator = np.random.default_rng(0)
    with creating(tmp_path / "stack.zarr") as group:
        image = create_array(group, "image", (4, 1, 25, 30), "float32")
        label = create_array(group, "label", (4, 25, 30), "uint8", fill_value=255)
        pixels, truth = np.zeros(image.shape, np.float32), np.full(label.shape, 255, np.uint8)
        for index, (height, width) in enumerate(SIZES):
            pixels[index, :, :height, :width] = generator.normal(size=(1, height, width))
            truth[index, :height, :width] = generator.random((height, width)) < 0.1
        image[:], label[:] = pixels, truth
        group.create_array("size", data=np.array(SIZES, np.int32))
        groups = ["a", "a", "a", "b"]
        group.attrs.update({"classes": ["x", "y"], "labelled": True, "names": list("abcd"), "groups": groups})
    write_json(tmp_path / "split.json", {"train": [0, 2], "validation": [1], "test": [3]})
    return tmp_path


def extract(folder: Path, **settings: object):
    extract_patches(folder / "stack.zarr", folder / "split.json", folder / "p.zarr", PatchingSettings(**settings))
    return open_store(folder / "p.zarr")


def test_patches_are_windows_of_their_images_and_never_of_test_images(folder: Path) -> None:
    store, stack = extract(folder, size=12, stride=6), open_store(folder / "stack.zarr")
    origin = np.asarray(store["origin"])
    assert set(origin[:, 0]) == {0, 1, 2}
    assert np.array_equal(store["split"], origin[:, 0] == 1)
    for place, (index, row, column) in enumerate(origin):
        height, width = (min(12, SIZES[index][0] - row), min(12, SIZES[index][1] - column))
        window = np.asarray(stack["image"])[index, :, row : row + height, column : column + width]
        assert np.array_equal(np.asarray(store["image"])[place][:, :height, :width], window)
        labels = np.asarray(store["label"])[place]
        assert np.bincount(labels.ravel(), minlength=256)[:2].tolist() == np.asarray(store["histogram"])[place].tolist()
        assert (labels[height:] == 255).all() and (labels[:, width:] == 255).all()


def test_foreground_crops_hold_most_foreground(folder: Path) -> None:
    everything = extract(folder, size=8, stride=4)
    counts = {}
    for origin, histogram in zip(np.asarray(everything["origin"]), np.asarray(everything["histogram"]), strict=True):
        counts.setdefault(origin[0], []).append(histogram[1])
    chosen = extract(folder, size=8, stride=4, strategy="foreground", count=1)
    assert len(np.asarray(chosen["origin"])) == 3
    for origin, histogram in zip(np.asarray(chosen["origin"]), np.asarray(chosen["histogram"]), strict=True):
        assert histogram[1] == max(counts[origin[0]])
    with pytest.raises(InputError, match="no patch holds 90"):
        extract(folder, size=8, minimum_foreground=0.9)


def test_neighbouring_slices_become_channels_within_their_volume(folder: Path) -> None:
    image = np.random.default_rng(0).integers(0, 99, (4, 5, 6)).astype(np.uint8)
    found = read_slab(lambda place: image[place : place + 1], range(1, 3), 1, range(1, 3))
    assert found.dtype == np.float32
    assert np.array_equal(found[:, 0], image[[1, 1, 2]]) and np.array_equal(found[:, 1], image[[1, 2, 2]])
    assert extract(folder, size=8, neighbours=1)["image"].shape[1] == 3


@given(st.integers(-40, 40), st.integers(0, 9), st.integers(1, 9))
def test_slices_beyond_a_range_are_mirrored_as_numpy_mirrors(place: int, start: int, length: int) -> None:
    padded = np.pad(np.arange(start, start + length), 60, mode="symmetric")
    assert mirror_places([place], range(start, start + length)) == [padded[place - start + 60]]


def write_volumes(folder: Path, groups: str, sides: str) -> np.ndarray:
    """Write slices of 6 by 5 pixels that hold their own number, and the side each is on: t, v, or another (test)."""
    image = np.broadcast_to(np.arange(len(groups), dtype=np.float32)[:, None, None, None], (len(groups), 1, 6, 5))
    image = image + np.random.default_rng(0).random(image.shape, np.float32) / 2
    with creating(folder / "stack.zarr") as group:
        create_array(group, "image", image.shape, "float32")[:] = image
        create_array(group, "label", (len(groups), 6, 5), "uint8")[:] = (image[:, 0] % 1 > 0.3).astype(np.uint8)
        group.create_array("size", data=np.array([[6, 5]] * len(groups), np.int32))
        names = [str(index) for index in range(len(groups))]
        group.attrs.update({"classes": ["x", "y"], "labelled": True, "names": names, "groups": list(groups)})
    parts = {name: [i for i, side in enumerate(sides) if side == name[0]] for name in ("train", "validation", "test")}
    write_json(folder / "split.json", parts)
    return image


@examples(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(["a", "b"]), min_size=2, max_size=14).map(sorted), st.integers(2, 5), st.data())
def test_patches_of_volumes_never_cross_volumes_or_sides(
    tmp_path: Path, groups: list[str], depth: int, data: st.DataObject
) -> None:
    sides = "t" + data.draw(st.text("tv-", min_size=len(groups) - 1, max_size=len(groups) - 1))
    image = write_volumes(tmp_path, "".join(groups), sides)
    store = extract(tmp_path, size=4, stride=2, depth=depth, depth_stride=data.draw(st.integers(1, depth)))
    origin, found, label = (np.asarray(store[name]) for name in ("origin", "image", "label"))
    assert found.shape[1:] == (1, depth, 4, 4) and label.shape[1:] == (depth, 4, 4)
    assert list(store.attrs["size"]) == [depth, 4, 4]
    seen = np.zeros((len(groups), 6, 5), int)
    for place, (first, row, column) in enumerate(origin):
        real = (label[place] != 255).all(axis=(1, 2))
        count = int(real.sum())
        assert count >= 1 and real[:count].all() and (label[place][count:] == 255).all()
        slices = range(first, first + count)
        assert len({groups[index] for index in slices}) == 1
        assert {sides[index] for index in slices} == {"v" if store["split"][place] else "t"}
        if count < depth:
            # shorter only where the volume or its part ends on both sides
            assert all(
                index not in range(len(groups)) or (groups[index], sides[index]) != (groups[first], sides[first])
                for index in (first - 1, first + count)
            )
        window = (slice(row, row + 4), slice(column, column + 4))
        assert np.array_equal(found[place][0, :count], image[first : first + count, 0, *window])
        assert (np.floor(found[place])[0, count:] < first + count).all()
        seen[first : first + count, *window] += 1
        assert np.bincount(label[place].ravel(), minlength=256)[:2].tolist() == list(store["histogram"][place])
    assert all((seen[index] > 0).all() == (side in "tv") for index, side in enumerate(sides))


@examples(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(["random", "blocked", "grouped"]),
    st.lists(st.integers(1, 9), min_size=1, max_size=4),
    st.integers(0, 2),
    st.sampled_from([None, 2, 3]),
    st.data(),
)
def test_no_patch_holds_a_slice_of_another_side(
    tmp_path: Path, strategy: str, lengths: list[int], gap: int, folds: int | None, data: st.DataObject
) -> None:
    """Whatever the split, the folds, the neighbours and the depth: pixels are the slice's number."""
    groups = "".join("abcd"[place] * length for place, length in enumerate(lengths))
    shape = {"depth": 3} if data.draw(st.booleans()) else {"neighbours": data.draw(st.integers(1, 4))}
    write_volumes(tmp_path, groups, "t" * len(groups))
    names = [str(index) for index in range(len(groups))]
    hashes = data.draw(st.lists(st.integers(0, 60).map(str), min_size=len(names), max_size=len(names)))
    chosen = SplitSettings(strategy=strategy, gap=gap, seed=data.draw(st.integers(0, 9)))
    try:
        split = make_split(chosen, names, groups, hashes, [None] * len(names), range(len(names)))
        divided = make_folds(chosen, folds, split, groups, hashes) if folds else []
    except InputError:
        assume(False)
    write_json(tmp_path / "split.json", {**split, "folds": divided})
    store = extract(tmp_path, size=4, **shape)
    for origin, image in zip(np.asarray(store["origin"]), np.asarray(store["image"]), strict=True):
        shown, first = {int(value) for value in np.unique(np.floor(image))}, int(origin[0])
        assert first in shown and len({groups[index] for index in shown}) == 1
        for sides in (split, *divided):
            for part in ("train", "validation"):
                assert shown <= set(sides[part]) or shown.isdisjoint(sides[part])
        assert shown.isdisjoint(split["test"])
        assert {hashes[index] for index in shown}.isdisjoint({hashes[index] for index in split["test"]})


def test_foreground_of_a_volume_is_counted_through_its_slices(tmp_path: Path) -> None:
    write_volumes(tmp_path, "aaaaaa", "ttttvv")
    everything = extract(tmp_path, size=3, stride=1, depth=2)
    most = {
        first: max(np.asarray(everything["histogram"])[np.asarray(everything["origin"])[:, 0] == first, 1])
        for first in (0, 2, 4)
    }
    chosen = extract(tmp_path, size=3, stride=1, depth=2, strategy="foreground")
    assert np.asarray(chosen["origin"])[:, 0].tolist() == [0, 2, 4]
    assert np.asarray(chosen["histogram"])[:, 1].tolist() == list(most.values())


def test_depth_and_neighbours_exclude_each_other() -> None:
    with pytest.raises(ValueError, match="depth and neighbours"):
        PatchingSettings(depth=4, neighbours=1)
    with pytest.raises(ValueError, match="needs depth"):
        PatchingSettings(depth_stride=4)


def test_what_people_call_patches() -> None:
    assert PatchingSettings(size=128, stride=64).label() == "128x128"
    assert PatchingSettings().label() == "whole"
    deep = PatchingSettings(size=64, depth=16)
    assert deep.label() == "16x64x64"
    assert PatchingSettings.model_validate(deep.model_dump(mode="json")) == deep
