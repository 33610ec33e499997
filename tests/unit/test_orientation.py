"""Turns of a slice, and the check that labels lie as their volume does."""

from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scan2seg import storage
from scan2seg.config.reconstruction import ReconstructionSettings
from scan2seg.config.source import ScanLabels, ScanVolume
from scan2seg.orientation import TURNS, combine, explained, find_turn, turn
from scan2seg.stack import assemble_stack

NAMES = st.sampled_from(sorted(TURNS))


def specimen(seed: int = 0, slices: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Noisy slices and labels whose values are in no order of brightness: 7 is dark, 2 bright, 5 between."""
    rng = np.random.default_rng(seed)
    label = np.full((slices, 40, 40), 7, np.uint8)
    label[:, 4:20, 8:35] = 2
    label[:, 25:36, 5:12] = 5
    grey = np.select([label == 2, label == 5], [2.0, 1.0], 0.0)
    return grey + rng.normal(0, 1.0, grey.shape), label


@given(first=NAMES, then=NAMES)
def test_two_turns_are_one_of_the_eight(first, then):
    planes = np.random.default_rng(0).random((2, 5, 5))
    assert np.array_equal(turn(turn(planes, first), then), turn(planes, combine(first, then)))


def test_the_configuration_knows_every_turn_and_rotations_go_anticlockwise():
    assert set(get_args(ReconstructionSettings.model_fields["orientation"].annotation)) == set(TURNS)
    plane = np.array([[0, 1], [2, 3]])
    expected = {"flip_rows": [[2, 3], [0, 1]], "flip_columns": [[1, 0], [3, 2]], "rotate_90": [[1, 3], [0, 2]]}
    expected |= {"transpose": [[0, 2], [1, 3]], "transpose_other": [[3, 1], [2, 0]], "rotate_180": [[3, 2], [1, 0]]}
    assert {name: turn(plane, name).tolist() for name in expected} == expected


def test_the_correlation_ratio_is_that_of_an_analysis_of_variance():
    from scipy.stats import f_oneway

    image, label = (part[0] for part in specimen())
    groups = [image[label == value] for value in (2, 5, 7)]
    between = f_oneway(*groups).statistic * 2 / (image.size - 3)
    assert explained(image, label) == pytest.approx(between / (1 + between))


@pytest.mark.parametrize("name", TURNS)
@pytest.mark.parametrize("part", [None, (slice(3, 38), slice(1, 36)), (slice(2, 39), slice(6, 33))])
def test_the_turn_of_labels_from_another_program_is_found(name, part):
    whole, label = specimen()
    # The other program's volume is ours turned; labels were drawn on that, and ours may be a crop.
    drawn = turn(label, name)
    images = [image if part is None else image[part] for image in whole]
    fit = find_turn(images, drawn, part)
    assert (fit.turn, fit.reversed) == (name, False)
    assert fit.after > fit.before or name == "none"


def test_labels_that_say_nothing_about_the_volume_ask_for_no_turn():
    for seed in range(20):
        rng = np.random.default_rng(seed)
        labels = rng.integers(0, 3, (4, 40, 40))
        fit = find_turn(rng.random((4, 40, 40)), labels, opposite=labels[::-1])
        assert (fit.turn, fit.reversed) == ("none", False)
    assert find_turn(np.zeros((1, 4, 4)), np.zeros((1, 4, 4))).turn == "none"


@pytest.mark.parametrize("name", ["none", "flip_rows", "rotate_270"])
def test_labels_in_the_opposite_order_of_slices_are_found(name):
    # A specimen that changes along z: it wanders.
    volume, label = (
        np.stack([np.roll(plane, 2 * z, 1) for z, plane in enumerate(part)]) for part in specimen(slices=6)
    )
    drawn = turn(label, name)[::-1]
    chosen = [1, 2, 4]
    fit = find_turn(volume[chosen], drawn[chosen], opposite=[drawn[5 - index] for index in chosen])
    assert (fit.turn, fit.reversed) == (name, True)


def test_a_stack_warns_of_turned_labels_and_names_the_setting(tmp_path: Path, monkeypatch) -> None:
    volume, label = specimen(slices=5)
    said: list[str] = []
    monkeypatch.setattr("scan2seg.orientation.warn", lambda message, *values: said.append(message % values))
    source = ScanLabels(kind="scan", label_values={"a": 7, "b": 2, "c": 5})
    moving = np.stack([np.roll(plane, 3 * z, 1) for z, plane in enumerate(label)])
    turned = np.rot90(turn(label, "flip_rows"), 1, (1, 2))
    for name, drawn in (("fits", label), ("turned", turned), ("reversed", moving[::-1])):
        with storage.creating(tmp_path / f"{name}.zarr") as group:
            moved = [np.roll(plane, 3 * z, 1) for z, plane in enumerate(volume)]
            storage.create_volume(group, volume.shape)[:] = np.stack(moved) if name == "reversed" else volume
            group.attrs["orientation"] = "flip_rows"
        with storage.creating(tmp_path / f"{name}_labels.zarr") as group:
            storage.create_volume(group, label.shape, np.uint8, name="label")[:] = drawn
        files = {"volume": tmp_path / f"{name}.zarr", "labels": tmp_path / f"{name}_labels.zarr", "labels_key": "label"}
        scans = {name: ScanVolume(**{key: str(value) for key, value in files.items()})}
        assemble_stack(source, tmp_path / "stack.zarr", classes=["a", "b", "c"], scans=scans)
    assert len(said) == 2 and said[0].startswith("scan turned: ")
    # Flipped already, and then flipped and rotated once more: one rotation is all that it needs.
    assert "orientation: rotate_90}" in said[0]
    assert said[1].startswith("scan reversed: ") and said[1].endswith("Reverse the order of the label slices")
