"""New scans that are processed unlike the training scans are told, setting by setting."""

from pathlib import Path

import pytest
from helpers import DATASET, MODEL, make_images

from scan2seg.config.check import check_file
from scan2seg.config.dataset import Dataset
from scan2seg.config.experiment import load_experiment
from scan2seg.config.processing import list_differences


def dataset(reconstruction: dict | None = None, denoising: list | None = None, scans: dict | None = None) -> Dataset:
    source = {
        "kind": "scan",
        "scans": scans or {"one": {"projections": "a.h5"}},
        "reconstruction": reconstruction or {},
    }
    return Dataset.model_validate({"name": "data", "source": {**source, "denoising": denoising or []}})


TRAINED = dataset(denoising=["non_local_means"])


@pytest.mark.parametrize(
    ("reconstruction", "denoising", "expected"),
    [
        ({}, ["non_local_means"], []),
        # Where a volume lies, where its axis is and how many slices it has change no grey level.
        ({"orientation": "flip_rows", "centre": 30.0, "rows": (2, 9), "device": "cpu"}, ["non_local_means"], []),
        ({"units": "per_millimetre"}, ["non_local_means"], ["units is per_millimetre, in training per_pixel"]),
        ({}, [], ["denoising is none, in training non_local_means"]),
        ({}, ["non_local_means", "median"], ["denoising is non_local_means then median, in training non_local_means"]),
        ({"backend": "sirt"}, ["non_local_means"], ["backend is sirt, in training gridding"]),
        (
            {"backend": {"method": "gridding", "window": "hann"}, "binning": 2},
            ["non_local_means"],
            ["backend is gridding (window hann), in training gridding (window ramp)", "binning is 2, in training 1"],
        ),
    ],
)
def test_differences_are_named_with_both_values(reconstruction, denoising, expected):
    assert list_differences(TRAINED, dataset(reconstruction, denoising), "one") == expected


def test_a_setting_of_any_training_scan_is_known():
    scans = {
        "one": {"projections": "a.h5"},
        "two": {"projections": "b.h5", "reconstruction": {"units": "per_millimetre", "pixel_size": 1.0}},
    }
    trained = dataset(scans=scans)
    assert list_differences(trained, dataset({"units": "per_millimetre"}), "one") == []
    assert list_differences(trained, dataset({"binning": 4}), "one") == ["binning is 4, in training 1"]


def test_what_images_were_made_like_is_unknown():
    images = Dataset.model_validate({"name": "data", "source": {"kind": "images", "images": "*.png"}})
    assert "cannot be checked" in list_differences(images, dataset(), "one")[0]


def test_validate_warns_and_passes(tmp_path: Path):
    simulation = "source:\n  kind: simulation\n  scans: {{{0}: {{size: 64, rows: 8, seed: {1}}}}}\n{2}classes: {3}\n"
    classes = "[background, matrix, precipitate, inclusion]"
    (tmp_path / "old.yaml").write_text(simulation.format("old", 0, "  denoising: [median]\n", classes))
    (tmp_path / "new.yaml").write_text(simulation.format("new", 1, "", classes))
    (tmp_path / "small.yaml").write_text(MODEL.format(architecture="{method: unet, encoder: null, width: 4, depth: 2}"))
    text = "datasets: [./old.yaml]\nmodels: [./small.yaml]\nsegment: {datasets: [./new.yaml]}\n"
    (tmp_path / "try.yaml").write_text(text)
    assert load_experiment(tmp_path / "try.yaml").trained_on() == "old"
    lines = check_file(tmp_path / "try.yaml").splitlines()
    assert lines[0].endswith("is valid")
    assert [line for line in lines if line.startswith("warning:")] == [
        f"warning: {tmp_path / 'try.yaml'}: segment: scan new: denoising is none, in training median"
    ]


def test_settings_of_new_images_that_do_not_count_are_named(tmp_path: Path) -> None:
    make_images(tmp_path)
    (tmp_path / "cells.yaml").write_text(DATASET.format(folder="."))
    (tmp_path / "small.yaml").write_text(MODEL.format(architecture="otsu"))
    source = "{kind: images, images: ./images/*.png, resize: [32, 32], denoising: [median]}"
    (tmp_path / "new.yaml").write_text(f"source: {source}\n")
    experiment = tmp_path / "try.yaml"
    experiment.write_text("datasets: [./cells.yaml]\nmodels: [./small.yaml]\nsegment: {datasets: [./new.yaml]}\n")
    said = [line.partition("segment: ")[2] for line in check_file(experiment).splitlines() if "segment: " in line]
    assert said == [
        "new: denoising: median is not used; files are read as in training, with none",
        "new: resize: (32, 32) is not used; files are read as in training, with none",
    ]
