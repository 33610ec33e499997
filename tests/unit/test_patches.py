from pathlib import Path

import numpy as np
import pytest

from scan2seg.config.patching import PatchingSettings
from scan2seg.errors import InputError
from scan2seg.patches import extract_patches
from scan2seg.slices import read_slices
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
    assert (np.asarray(store["split"]) == (origin[:, 0] == 1)).all()
    for place, (index, row, column) in enumerate(origin):
        height, width = (min(12, SIZES[index][0] - row), min(12, SIZES[index][1] - column))
        window = np.asarray(stack["image"])[index, :, row : row + height, column : column + width]
        assert (np.asarray(store["image"])[place][:, :height, :width] == window).all()
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
    stack = open_store(folder / "stack.zarr")
    image = np.asarray(stack["image"])
    height, width = SIZES[2]
    expected = np.stack([image[1, 0], image[2, 0], image[2, 0]])[:, :height, :width]
    assert (read_slices(stack, 2, neighbours=1) == expected).all()
    assert extract(folder, size=8, neighbours=1)["image"].shape[1] == 3


def test_equal_settings_share_a_store_and_others_do_not() -> None:
    names = [
        PatchingSettings(size=size, stride=stride).folder() for size, stride in ((32, 16), ((32, 32), 16), (32, 8))
    ]
    assert names[0] != names[2]
    assert PatchingSettings(size=32, stride=16).folder() == names[0]
    assert PatchingSettings().folder().startswith("whole-")
