"""Images without foreground: left out of everything, or of the training images alone."""

from pathlib import Path

import numpy as np
import pytest

from scan2seg.config.split import Shares, SplitSettings
from scan2seg.errors import InputError
from scan2seg.split import split_stack
from scan2seg.storage import create_array, creating, read_json

COUNT = 12


def write_stack(path: Path, full: set[int], volumes: int = COUNT) -> Path:
    """Write a stack of labels of which those named hold foreground; the others hold class 0 and void."""
    labels = np.zeros((COUNT, 4, 4), np.uint8)
    labels[:, 0] = 255
    labels[sorted(full), 2] = 1
    with creating(path) as group:
        create_array(group, "label", labels.shape, "uint8", axes="nyx")[:] = labels
        names = [f"image{number}" for number in range(COUNT)]
        groups = [f"volume{number * volumes // COUNT}" for number in range(COUNT)]
        group.attrs.update(
            {"names": names, "groups": groups, "hashes": names, "parts": [None] * COUNT, "labelled": True}
        )
    return path


def split_of(tmp_path: Path, drop: bool | str, full: set[int], folds: int | None = None) -> dict[str, list[int]]:
    shares = Shares(train=6, validation=3, test=3)
    settings = SplitSettings.model_validate({"strategy": "random", "counts": shares, "drop_empty": drop})
    stack = write_stack(tmp_path / "stack.zarr", full)
    split_stack(stack, tmp_path / "split.json", settings, folds)
    return read_json(tmp_path / "split.json")


def test_empty_images_leave_training_and_stay_where_models_are_scored(tmp_path: Path) -> None:
    full = set(range(0, COUNT, 2))
    everything, found = split_of(tmp_path, False, full, 3), split_of(tmp_path, "training", full, 3)
    for part in ("validation", "test"):
        assert found[part] == everything[part]
    assert not full.issuperset(found["validation"] + found["test"])
    assert found["train"] == [index for index in everything["train"] if index in full]
    for before, after in zip(everything["folds"], found["folds"], strict=True):
        assert after["validation"] == before["validation"]
        assert after["train"] == [index for index in before["train"] if index in full]
    assert set(found["unused"]) == set(everything["train"]) - full


def test_nothing_left_to_train_with_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="every training image holds the first class only"):
        split_of(tmp_path, "training", set(split_of(tmp_path, False, {0})["test"]))


@pytest.mark.parametrize(("volumes", "left"), [(COUNT, {3, 4, 5, 6, 7, 8}), (2, {3, 4, 7, 8})])
def test_images_between_full_ones_of_a_volume_stay(tmp_path: Path, volumes: int, left: set[int]) -> None:
    stack = write_stack(tmp_path / "stack.zarr", {3, 4, 7, 8}, volumes)
    shares = Shares(train=2, validation=1, test=1)
    settings = SplitSettings.model_validate({"strategy": "random", "counts": shares, "drop_empty": "ends"})
    found = make_parts(stack, tmp_path / "split.json", settings)
    assert {*range(COUNT)} - left <= {*found["unused"]}
    settings = settings.model_copy(update={"counts": Shares(train=len(left) - 2, validation=1, test=1)})
    found = make_parts(stack, tmp_path / "split.json", settings)
    assert {index for part in ("train", "validation", "test") for index in found[part]} == left


def make_parts(stack: Path, output: Path, settings: SplitSettings) -> dict[str, list[int]]:
    output.unlink(missing_ok=True)
    split_stack(stack, output, settings)
    return read_json(output)
