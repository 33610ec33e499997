"""Files of every form come back as labels in the same form, read as the training images were."""

import csv
import json
from pathlib import Path
from typing import Any

import h5py
import nibabel
import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from scan2seg.appearance import describe_appearance
from scan2seg.checkpoint import SegmentationModel, save_checkpoint
from scan2seg.cli import main
from scan2seg.config.base import Plugin
from scan2seg.config.images import ImageSource
from scan2seg.config.reading import Reading
from scan2seg.config.training import InferenceSettings
from scan2seg.errors import InputError
from scan2seg.inference.application import segment_inputs
from scan2seg.inference.tiling import Predictor
from scan2seg.normalisation import Normalisation
from scan2seg.sources import list_items
from scan2seg.storage import open_array

SETTINGS = InferenceSettings(tile=16, overlap=0.5)


def write_model(folder: Path, channels: int = 1, neighbours: int = 0, **reading: Any) -> Path:
    """Write a model of three classes that was trained on images as ``make_image`` makes them."""
    torch.manual_seed(0)
    inputs = channels * (2 * neighbours + 1)
    normalisation = Normalisation(inputs)
    normalisation.fill(np.full(inputs, 100.0), np.full(inputs, 40.0))
    architecture = Plugin("architectures").resolve({"method": "unet", "encoder": None, "width": 4, "depth": 2})
    model = SegmentationModel(architecture, normalisation, inputs, 3).eval()
    facts = {"classes": ["a", "b", "c"], "patch_size": [16, 16], "neighbours": neighbours}
    facts["pixel_size"] = 2.0
    facts["reading"] = Reading.model_validate({"kind": "images", **reading}).model_dump(mode="json")
    windows = [make_image(seed, 16, 16, inputs) for seed in range(20)]
    save_checkpoint(folder / "checkpoint.pt", model, facts | {"appearance": describe_appearance(windows)})
    return folder / "checkpoint.pt"


def make_image(seed: int, height: int = 24, width: int = 33, channels: int = 1) -> np.ndarray:
    values = np.random.default_rng(seed).normal(100, 40, (channels, height, width))
    return values.clip(0, 255).astype(np.uint8).astype(np.float32)


def expected(checkpoint: Path, pixels: np.ndarray) -> np.ndarray:
    return Predictor(checkpoint, SETTINGS).predict(pixels).argmax(dim=0).numpy()


def segment(checkpoint: Path, output: Path, *inputs: Path, **options: Any) -> list[str]:
    return segment_inputs(checkpoint, list(inputs), output, SETTINGS, **options)


def facts_of(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.with_name(path.name + ".json").read_text())
    return found


def test_images_come_back_in_their_form_and_name(tmp_path: Path) -> None:
    checkpoint, inputs = write_model(tmp_path), tmp_path / "in"
    pixels = [make_image(seed, 24 + seed, 33) for seed in range(3)]
    (inputs / "deeper").mkdir(parents=True)
    Image.fromarray(pixels[0][0].astype(np.uint8)).save(inputs / "one.PNG")
    tifffile.imwrite(inputs / "two.tif", pixels[1][0].astype(np.uint16))
    Image.fromarray(pixels[2][0].astype(np.uint8)).save(inputs / "deeper" / "three.bmp")
    assert segment(checkpoint, tmp_path / "out", inputs) == []
    names = ["one.PNG", "two.tif", "deeper/three.png"]
    for name, image in zip(names, pixels, strict=True):
        file = tmp_path / "out" / name
        labels = tifffile.imread(file) if name.endswith("tif") else np.asarray(Image.open(file))
        wanted = expected(checkpoint, image)
        assert labels.dtype == np.uint8 and labels.shape == image.shape[1:]
        assert (labels == wanted).all()
        classes = facts_of(file)["classes"]
        assert classes["b"]["phase_fraction"] == pytest.approx((wanted == 1).mean())
    with (tmp_path / "out/summary.csv").open() as table:
        rows = list(csv.DictReader(table))
    assert sorted({row["file"] for row in rows}) == sorted(names) and len(rows) == 9


def test_volumes_come_back_as_zarr_and_in_their_form(tmp_path: Path) -> None:
    checkpoint = write_model(tmp_path, neighbours=1, kind="volume")
    volume = np.stack([make_image(seed)[0] for seed in range(5)]).astype(np.uint8)
    affine = np.diag([0.002, 0.002, 0.004, 1])
    image = nibabel.Nifti1Image(volume.transpose(2, 1, 0), affine)
    image.header.set_xyzt_units("mm")
    image.header["descrip"] = b"mine"
    nibabel.save(image, tmp_path / "scan.nii.gz")
    tifffile.imwrite(tmp_path / "pages.tif", volume, photometric="minisblack")
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["raw"], file["other"] = volume, volume[::-1]
    (tmp_path / "slices").mkdir()
    for index, plane in enumerate(volume):
        Image.fromarray(plane).save(tmp_path / "slices" / f"s{index}.png")
    given = [tmp_path / name for name in ("scan.nii.gz", "pages.tif", "data.h5", "slices")]
    assert segment(checkpoint, tmp_path / "out", *given, key="raw") == []
    places = [np.array([0, 0, 1]), *(np.arange(index - 1, index + 2) for index in range(1, 4)), np.array([3, 4, 4])]
    wanted = np.stack([expected(checkpoint, volume[chosen].astype(np.float32)) for chosen in places])
    for name in ("scan", "pages", "data", "slices"):
        found = np.asarray(open_array(tmp_path / "out" / f"{name}.zarr", "label")[:])
        assert found.shape == wanted.shape and (found == wanted).all(), name
    back: Any = nibabel.load(tmp_path / "out/scan.nii.gz")
    assert (np.asarray(back.dataobj) == wanted.transpose(2, 1, 0)).all() and back.get_data_dtype() == np.uint8
    assert np.allclose(back.affine, affine) and back.header["descrip"].tobytes().startswith(b"mine")
    assert back.header.get_xyzt_units()[0] == "mm"
    pages = tifffile.imread(tmp_path / "out/pages.tif")
    assert pages.shape == wanted.shape and (pages == wanted).all()
    facts = facts_of(tmp_path / "out/scan.zarr")
    assert facts["unlike_training"] == []
    assert facts["spacing"] == pytest.approx([4, 2, 2]) and facts["unit"] == "micrometre"
    assert facts["classes"]["a"]["volume_fraction"] == pytest.approx((wanted == 0).mean())


@pytest.mark.parametrize("axis", [1, 2])
def test_slices_of_another_axis_come_back_on_the_file_s_own_grid(tmp_path: Path, axis: int) -> None:
    checkpoint = write_model(tmp_path, neighbours=1, kind="volume", axis=axis)
    volume = np.stack([make_image(seed, 20, 18)[0] for seed in range(17)])
    tifffile.imwrite(tmp_path / "v.tif", volume, photometric="minisblack")
    assert segment(checkpoint, tmp_path / "out", tmp_path / "v.tif") == []
    found = np.asarray(open_array(tmp_path / "out/v.zarr", "label")[:])
    turned = np.moveaxis(volume, axis, 0)
    assert found.shape == volume.shape
    assert (np.moveaxis(found, axis, 0)[5] == expected(checkpoint, turned[4:7])).all()


def test_what_a_source_did_to_its_images_is_done_to_new_ones(tmp_path: Path) -> None:
    done = {"resize": [16, 16], "denoising": [{"method": "median"}], "intensities": "type"}
    checkpoint = write_model(tmp_path, **done)
    image = np.kron(make_image(0, 16, 16)[0], np.ones((2, 3))).astype(np.uint8)
    Image.fromarray(image).save(tmp_path / "large.png")
    assert segment(checkpoint, tmp_path / "out", tmp_path / "large.png") == []
    source = {"kind": "images", "images": str(tmp_path / "large.png"), **done}
    (item,) = list_items(ImageSource.model_validate(source), {})
    small = expected(checkpoint, item.read())
    assert (np.asarray(Image.open(tmp_path / "out/large.png")) == np.kron(small, np.ones((2, 3)))).all()


def test_channels_of_a_patient_lie_in_files_of_their_own(tmp_path: Path) -> None:
    checkpoint = write_model(tmp_path, channels=2, kind="volume")
    (tmp_path / "in").mkdir()
    volume = np.stack([make_image(seed, channels=2) for seed in range(3)], axis=1)
    for channel in range(2):
        nibabel.save(
            nibabel.Nifti1Image(volume[channel].transpose(2, 1, 0), np.eye(4)),
            tmp_path / "in" / f"p01_000{channel}.nii",
        )
    assert segment(checkpoint, tmp_path / "out", tmp_path / "in") == []
    found = np.asarray(open_array(tmp_path / "out/p01.zarr", "label")[:])
    assert (found[1] == expected(checkpoint, volume[:, 1])).all() and (tmp_path / "out/p01.nii").is_file()


def test_one_damaged_file_is_named_and_the_others_are_finished(tmp_path: Path) -> None:
    checkpoint, inputs = write_model(tmp_path), tmp_path / "in"
    inputs.mkdir()
    for seed in range(3):
        Image.fromarray(make_image(seed)[0].astype(np.uint8)).save(inputs / f"{seed}.png")
    (inputs / "1.png").write_bytes((inputs / "1.png").read_bytes()[:90])
    Image.fromarray(np.zeros((20, 20, 3), np.uint8)).save(inputs / "colour.png")
    tifffile.imwrite(inputs / "nan.tif", np.full((20, 20), np.nan, np.float32))
    problems = segment(checkpoint, tmp_path / "out", inputs)
    assert len(problems) == 3
    for word in (
        "1.png",
        "colour: has 3 channels, the model was trained on 1",
        "nan: holds values that are not finite",
    ):
        assert any(word in line for line in problems), (word, problems)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "0.png", "0.png.json", "2.png", "2.png.json", "summary.csv",
    }  # fmt: skip


def test_what_is_done_is_not_done_again_and_what_changed_is(tmp_path: Path) -> None:
    checkpoint, inputs = write_model(tmp_path), tmp_path / "in"
    inputs.mkdir()
    for seed in range(2):
        Image.fromarray(make_image(seed)[0].astype(np.uint8)).save(inputs / f"{seed}.png")
    segment(checkpoint, tmp_path / "out", inputs)
    times = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*.png")}
    Image.fromarray(make_image(7)[0].astype(np.uint8)).save(inputs / "1.png")
    segment(checkpoint, tmp_path / "out", inputs)
    again = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*.png")}
    assert again["0.png"] == times["0.png"] and again["1.png"] > times["1.png"]
    segment_inputs(checkpoint, [inputs], tmp_path / "out", SETTINGS.model_copy(update={"flips": True}))
    assert (tmp_path / "out/0.png").stat().st_mtime_ns > times["0.png"]


def test_an_image_unlike_the_training_images_gets_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    checkpoint = write_model(tmp_path)
    Image.fromarray(make_image(0)[0].astype(np.uint8)).save(tmp_path / "same.png")
    tifffile.imwrite(tmp_path / "other.tif", (make_image(0)[0] * 200).astype(np.uint16))
    segment(checkpoint, tmp_path / "out", tmp_path / "same.png", tmp_path / "other.tif")
    assert facts_of(tmp_path / "out/same.png")["unlike_training"] == []
    assert any("the range of grey values" in line for line in facts_of(tmp_path / "out/other.tif")["unlike_training"])
    nibabel.save(nibabel.Nifti1Image(make_image(0, 9, 9).T, np.diag([3, 3, 3, 1])), tmp_path / "coarse.nii")
    segment(checkpoint, tmp_path / "out", tmp_path / "coarse.nii")
    (line,) = facts_of(tmp_path / "out/coarse.zarr")["unlike_training"]
    assert line == "the edge of a pixel is 3000 micrometres, in training 2"
    assert "other.tif" in caplog.text and "same.png" not in caplog.text


def test_mistakes_end_in_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checkpoint = write_model(tmp_path)
    (tmp_path / "empty").mkdir()
    Image.fromarray(make_image(0)[0].astype(np.uint8)).save(tmp_path / "a.png")
    Image.fromarray(make_image(0)[0].astype(np.uint8)).save(tmp_path / "a.bmp")
    cases = {
        (checkpoint, "missing.png", "out"): "there is no such file",
        (checkpoint, "empty", "out"): "holds no image",
        (checkpoint, "a.png", "."): "is an input",
        (checkpoint, ".", "out"): "would both be written to a.png",
        (tmp_path / "empty", "a.png", "out"): "is no checkpoint",
        (tmp_path / "a.png", "a.png", "out"): "is not a readable checkpoint",
    }
    for (model, given, output), words in cases.items():
        assert main(["segment", str(model), str(tmp_path / given), str(tmp_path / output)]) == 2
        said = capsys.readouterr().err
        assert words in said and "Traceback" not in said, said
    assert not (tmp_path / "out").exists()
    content = torch.load(checkpoint, weights_only=True)
    del content["description"]["reading"]
    torch.save(content, checkpoint)
    with pytest.raises(InputError, match="does not say how its images were read"):
        segment(checkpoint, tmp_path / "out", tmp_path / "a.png")
