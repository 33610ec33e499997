"""napari is shown what results hold; a stand-in for it writes down its layers."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import h5py
import nibabel
import numpy as np
import pytest
import tifffile
from example_segmentation import make_image, segment, write_images, write_model

from scan2seg import pyramid
from scan2seg.cli import main
from scan2seg.provenance import record
from scan2seg.pyramid import add_levels
from scan2seg.storage import create_array, create_volume, creating


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[str, Any, dict[str, Any]]]:
    layers: dict[str, tuple[str, Any, dict[str, Any]]] = {}

    class Viewer:
        def __init__(self, title: str) -> None: ...

        def add_image(self, data: Any, name: str, **form: Any) -> None:
            layers[name] = ("image", data, form)

        def add_labels(self, data: Any, name: str, **form: Any) -> None:
            layers[name] = ("labels", data, form)

    monkeypatch.setitem(sys.modules, "napari", SimpleNamespace(Viewer=Viewer, run=lambda: None))
    return layers


def write_volume(path: Path, name: str, values: np.ndarray, *made_from: Path) -> None:
    with creating(path) as group:
        create_volume(group, values.shape, values.dtype, pixel_size=0.5, name=name)[:] = values
        add_levels(group, name)
        group.attrs["provenance"] = record({}, made_from)


def test_a_segmentation_is_shown_on_its_volume_with_all_levels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shown: dict[str, Any]
) -> None:
    monkeypatch.setattr(pyramid, "SMALLEST", 8)
    volume, labels = tmp_path / "volumes/a/volume.zarr", tmp_path / "segmentations/a/labels.zarr"
    grey = np.random.default_rng(0).normal(size=(6, 20, 30)).astype(np.float32)
    write_volume(volume, "volume", grey)
    write_volume(labels, "label", (grey > 0).astype(np.uint8), volume)
    assert main(["view", str(labels.parent)]) == 0
    assert {name: kind for name, (kind, _, _) in shown.items()} == {"volume": "image", "label": "labels"}
    _, levels, form = shown["volume"]
    assert [level.shape for level in levels] == [(6, 20, 30), (3, 10, 15), (2, 5, 8)]
    assert form == {"multiscale": True, "scale": [0.5] * 3} and (levels[0].compute() == grey).all()


def test_a_run_is_shown_with_truth_labels_and_probabilities(tmp_path: Path, shown: dict[str, Any]) -> None:
    generator = np.random.default_rng(0)
    image, truth = generator.normal(size=(5, 2, 8, 9)).astype(np.float32), generator.integers(0, 2, (5, 8, 9))
    with creating(tmp_path / "stacks/s/stack.zarr") as group:
        create_array(group, "image", image.shape, "float32")[:] = image
        create_array(group, "label", truth.shape, "uint8")[:] = truth
    with creating(tmp_path / "runs/r/prediction.zarr") as group:
        create_array(group, "label", (2, 8, 9), "uint8")[:] = 1
        create_array(group, "probability", (2, 2, 8, 9), "uint8")[:] = 204
        create_array(group, "index", (2,), "int64")[:] = np.array([1, 4])
        provenance = record({}, [Path("stacks/s/stack.zarr")])
        group.attrs.update({"classes": ["air", "lead"], "provenance": provenance})
    assert main(["view", str(tmp_path / "runs/r")]) == 0
    names = ["channel 0", "channel 1", "true labels", "labels", "probability of air", "probability of lead"]
    assert list(shown) == names and not any(form["multiscale"] for _, _, form in shown.values())
    assert (shown["channel 1"][1].compute() == image[[1, 4], 1]).all()
    assert np.allclose(shown["probability of lead"][1].compute(), 0.8)
    assert (shown["true labels"][1].compute() == truth[[1, 4]]).all() and shown["true labels"][0] == "labels"


def test_labels_of_a_file_are_shown_on_it(tmp_path: Path, shown: dict[str, Any]) -> None:
    volume = np.stack([make_image(seed)[0] for seed in range(4)])
    nibabel.save(nibabel.Nifti1Image(volume.transpose(2, 1, 0), np.diag([3, 2, 1, 1])), tmp_path / "v.nii")
    segment(write_model(tmp_path, kind="volume"), tmp_path / "out", tmp_path / "v.nii")
    assert main(["view", str(tmp_path / "out/v.zarr")]) == 0
    assert (shown["v.nii"][1].compute() == volume).all()
    assert shown["v.nii"][2]["scale"] == shown["label"][2]["scale"] == [1000, 2000, 3000]


def test_a_folder_of_labelled_files_shows_its_volumes_at_one_scale(tmp_path: Path, shown: dict[str, Any]) -> None:
    volume = np.stack([make_image(seed)[0] for seed in range(4)])
    tifffile.imwrite(tmp_path / "v.tif", volume, photometric="minisblack")
    model, labels = write_model(tmp_path, kind="volume"), tmp_path / "more-0123abcd/labels"
    segment(model, labels, tmp_path / "v.tif", pixel_size=0.5)
    assert main(["view", str(labels.parent)]) == 0
    assert list(shown) == ["v.tif", "label"]
    assert shown["v.tif"][2]["scale"] == shown["label"][2]["scale"] == [0.5] * 3


def test_without_napari_or_anything_to_show_one_sentence_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["view", str(tmp_path)]) == 2
    assert "is no folder of a run or a segmentation" in capsys.readouterr().err
    write_volume(tmp_path / "v.zarr", "volume", np.zeros((2, 3, 4), np.float32))
    monkeypatch.setitem(sys.modules, "napari", None)
    assert main(["view", str(tmp_path / "v.zarr")]) == 2
    assert "pip install 'napari[all]'" in capsys.readouterr().err


def test_labels_of_one_of_several_arrays_are_shown_on_it_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shown: dict[str, Any]
) -> None:
    volume = np.stack([make_image(seed)[0] for seed in range(4)])
    with h5py.File(tmp_path / "v.h5", "w") as file:
        file["raw"], file["other"] = volume, np.zeros_like(volume)
    model = write_model(tmp_path, kind="volume")
    monkeypatch.chdir(tmp_path)
    assert segment(model, tmp_path / "out", Path("v.h5"), key="raw") == []
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    # the folder that was written to, and the labels themselves
    for path in ("out", "out/v.zarr"):
        shown.clear()
        assert main(["view", str(tmp_path / path)]) == 0
        assert list(shown) == ["v.h5", "label"] and (shown["v.h5"][1].compute() == volume).all()


@pytest.mark.parametrize("path", ["", "labels"])
def test_labels_of_images_are_refused_in_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], path: str
) -> None:
    write_images(tmp_path, "a.png")
    assert segment(write_model(tmp_path), tmp_path / "made/labels", tmp_path / "a.png") == []
    assert main(["view", str(tmp_path / "made" / path)]) == 2
    assert "labels: holds no labels of volumes (*.zarr)" in capsys.readouterr().err
