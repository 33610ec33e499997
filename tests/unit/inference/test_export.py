"""What is exported computes our labels in ONNX Runtime and from torch.export, and is a model of bioimage.io."""

import hashlib
import json
import re
import sys
from keyword import iskeyword
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
import yaml
from example_report import write_dataset, write_run
from PIL import Image

from scan2seg.appearance import describe_appearance
from scan2seg.checkpoint import SegmentationModel, load_checkpoint, save_checkpoint
from scan2seg.cli import main
from scan2seg.config.base import Plugin
from scan2seg.config.image_reading import Reading
from scan2seg.config.training import InferenceSettings
from scan2seg.errors import InputError
from scan2seg.inference.export import export_model
from scan2seg.inference.model_card import _identifiers, check_licence
from scan2seg.inference.tiling import Predictor
from scan2seg.normalisation import Normalisation

UNET = {"method": "unet", "encoder": None, "width": 4, "depth": 2}
UNET_3D = {"method": "unet_3d", "features": [4, 4, 4, 4, 8, 4]}


def write_model(
    folder: Path, architecture: dict[str, Any], size: list[int], per_image: bool = False, **reading: Any
) -> Path:
    torch.manual_seed(0)
    normalisation = Normalisation(1, per_image=per_image)
    if not per_image:
        normalisation.fill(np.array([100.0]), np.array([40.0]))
    model = SegmentationModel(Plugin("architectures").resolve(architecture), normalisation, 1, 3).eval()
    if hasattr(model.network, "fit"):
        labels = torch.arange(3).repeat(2, 24, 8)
        model.network.fit(torch.rand(2, 1, 24, 24) + labels[:, None], labels, seed=0)
    recipe = {"architecture": model.architecture.content(), "training": {"epochs": 3}}
    facts: dict[str, Any] = {"classes": ["air", "ice cream", "lead"], "patch_size": size, "neighbours": 0}
    facts |= {
        "reading": Reading.model_validate({"kind": "images", **reading}).model_dump(mode="json"),
        "pixel_size": 1.5,
    }
    windows = np.random.default_rng(0).normal(100, 40, (5, 1, 16, 16)).astype(np.float32)
    facts["appearance"] = describe_appearance(windows)
    facts["provenance"] = {"created": "2026-01-01", "settings": {"recipe": recipe}}
    save_checkpoint(folder / "checkpoint.pt", model, facts)
    return folder / "checkpoint.pt"


@pytest.mark.parametrize(
    ("architecture", "patch", "size", "per_image"),
    [
        (UNET, [32, 24], [32, 24], False),
        (UNET, [32, 24], [32, 24], True),
        # smaller than a patch: mirrored to its size, which a network that normalises by all of an image tells
        (UNET | {"normalisation": "instance"}, [32, 24], [21, 28], True),
        pytest.param(UNET_3D, [16, 32, 32], [16, 32, 32], False, marks=pytest.mark.slow),
    ],
)
def test_programs_give_our_labels(
    tmp_path: Path, architecture: dict[str, Any], patch: list[int], size: list[int], per_image: bool
) -> None:
    checkpoint = write_model(tmp_path, architecture, patch, per_image)
    folder = export_model(checkpoint, tmp_path / "out", size=tuple(size))
    images = np.random.default_rng(1).normal(100, 40, (3, 1, *size)).astype(np.float32)
    predictor = Predictor(checkpoint, InferenceSettings(precision="float32"))
    ours = np.stack([predictor.predict(image).numpy() for image in images])
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])
    program = torch.export.load(folder / "model.pt2").module()
    with torch.no_grad():
        by_torch = [part.numpy() for part in program(torch.from_numpy(images))]
    for label, probability in (session.run(None, {"image": images}), by_torch):
        assert label.dtype == np.uint8 and label.shape == (3, *size)
        assert np.allclose(probability, ours, atol=1e-4)
        assert (label == ours.argmax(axis=1)).mean() > 0.999
    label = session.run(None, {"image": np.load(folder / "test_image.npy")})[0]
    assert (label == np.load(folder / "test_label.npy")).all()


def test_bioimage_io_runs_the_model_and_finds_its_outputs(tmp_path: Path) -> None:
    import bioimageio.core as bioimageio

    checkpoint = write_model(tmp_path, UNET, [32, 24])
    folder = export_model(checkpoint, tmp_path / "out", licence="CC-BY-4.0")
    summary = bioimageio.test_model(folder / "rdf.yaml", weight_format="onnx")
    assert summary.status == "passed", summary.display()


def test_the_card_says_what_is_known_and_what_is_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checkpoint = write_model(tmp_path, UNET, [32, 24])
    assert main(["export", str(checkpoint), str(tmp_path / "out"), "--size", "48", "32"]) == 0
    card = (tmp_path / "out/README.md").read_text()
    for words in ("48 x 32 pixels", "1 ice cream", "1.5 micrometres", "No scores lay beside", "not given: ask who"):
        assert words in card, words
    assert np.load(tmp_path / "out/test_image.npy").shape == (1, 1, 48, 32)
    for words, arguments in {
        "is there already": [checkpoint, tmp_path / "out"],
        "--size: 1 lengths": [checkpoint, tmp_path / "new", "--size", "32"],
    }.items():
        assert main(["export", *map(str, arguments)]) == 2
        assert words in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_the_card_lists_what_is_done_before_the_model(tmp_path: Path) -> None:
    steps = {
        "kind": "volume", "resize": [32, 24], "spacing": "isotropic", "denoising": [{"method": "median"}], "axis": 1,
        "standardise": True,
    }  # fmt: skip
    checkpoint = write_model(tmp_path, UNET, [32, 24], **steps)
    card = (export_model(checkpoint, tmp_path / "out") / "README.md").read_text()
    for words in (
        "the model does not:",
        "resized to (32, 24)",
        "cubes as wide",
        "'method': 'median'",
        "axis 1",
        "standardised",
    ):
        assert words in card, words
    plain = write_model(tmp_path, UNET, [32, 24])
    card = (export_model(plain, tmp_path / "plain") / "README.md").read_text()
    assert "in the grey values of their files" in card and "the model does not" not in card


def test_the_card_has_the_scores_with_their_interval(tmp_path: Path) -> None:
    run = write_run(tmp_path, write_dataset(tmp_path, "demo", 24, slices=2), "unet", "seed0", 0.8)["run"]
    checkpoint = write_model(run, UNET, [32, 24])
    card = (export_model(checkpoint, tmp_path / "out", licence="CC-BY-4.0") / "README.md").read_text()
    metrics = json.loads((run / "metrics.json").read_text())
    shown = re.search(r"Mean IoU ([\d.]+), 95 % interval ([\d.]+) to ([\d.]+), on (\d+) test images of demo", card)
    assert shown and float(shown[1]) == pytest.approx(metrics["mean_iou"], abs=1e-4)
    assert float(shown[2]) <= float(shown[1]) <= float(shown[3]) and "CC-BY-4.0" in card
    for name, scores in metrics["classes"].items():
        assert f"| {name} | {scores['iou']:.4f} |" in card


def test_the_folder_of_an_exported_model_segments_files(tmp_path: Path) -> None:
    checkpoint = write_model(tmp_path, UNET, [32, 24])
    export_model(checkpoint, tmp_path / "exported")
    checkpoint.unlink()
    image = np.random.default_rng(1).normal(100, 40, (40, 50)).clip(0, 255).astype(np.uint8)
    Image.fromarray(image).save(tmp_path / "a.png")
    assert main(["segment", str(tmp_path / "exported"), str(tmp_path / "a.png"), str(tmp_path / "labels")]) == 0
    predictor = Predictor(tmp_path / "exported/checkpoint.pt", InferenceSettings())
    wanted = predictor.predict(image[None].astype(np.float32)).argmax(dim=0).numpy()
    assert (np.asarray(Image.open(tmp_path / "labels/a.png")) == wanted).all()


def test_rdf_yaml_describes_what_lies_beside_it(tmp_path: Path) -> None:
    """Without bioimage.io's own program: files, their digest, axes and the licence."""
    folder = export_model(write_model(tmp_path, UNET, [32, 24]), tmp_path / "out", licence="CC-BY-4.0")
    resource = yaml.safe_load((folder / "rdf.yaml").read_text())
    onnx = resource["weights"]["onnx"]
    assert onnx["sha256"] == hashlib.sha256((folder / onnx["source"]).read_bytes()).hexdigest()
    assert resource["license"] == "CC-BY-4.0" and resource["type"] == "model"
    for part in (*resource["inputs"], *resource["outputs"]):
        array = np.load(folder / part["test_tensor"]["source"])
        axes = part["axes"]
        assert array.dtype == part["data"]["type"] and array.ndim == len(axes) and axes[0]["type"] == "batch"
        for length, axis in zip(array.shape[1:], axes[1:], strict=True):
            assert length == (axis["size"] if axis["type"] == "space" else len(axis["channel_names"]))


def test_what_torch_cannot_export_is_refused_and_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = write_model(tmp_path, {"method": "random_forest", "trees": 2}, [32, 24])
    assert main(["export", str(checkpoint), str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert "random_forest cannot be exported" in said and "Traceback" not in said
    assert {path.name for path in tmp_path.iterdir()} == {"checkpoint.pt"}


def test_a_program_that_computes_something_else_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint = write_model(tmp_path, UNET, [32, 24])
    model, _ = load_checkpoint(checkpoint)

    class Other(onnxruntime.InferenceSession):
        def run(self, *arguments: Any) -> Any:
            label, probability = super().run(*arguments)
            return label, 1 - probability

    monkeypatch.setattr(onnxruntime, "InferenceSession", Other)
    with pytest.raises(InputError, match="computes other probabilities"):
        export_model(checkpoint, tmp_path / "out")
    assert not (tmp_path / "out").exists() and model.classes == 3


def test_names_of_classes_become_identifiers_each_once() -> None:
    names = ["air", "2nd phase", "class", "ice cream", "ice-cream", "x²", "Größe"]
    found = _identifiers(names)
    assert found == ["air", "class_2nd_phase", "class_class", "ice_cream", "ice_cream_2", "x_", "Größe"]
    assert all(name.isidentifier() and not iskeyword(name) for name in found)


@pytest.mark.parametrize("installed", [True, False])
def test_a_licence_is_an_spdx_identifier(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, installed: bool) -> None:
    if not installed:
        monkeypatch.setitem(sys.modules, "bioimageio.spec.generic.v0_3", None)
    for licence in ("CC-BY-4.0", "MIT", "GPL-3.0", None):
        check_licence(licence)
    for licence in ("", " ", "my licence", *(["CC-BY-9.0"] if installed else [])):
        with pytest.raises(InputError, match=f"--licence: '{licence}' is no SPDX identifier"):
            export_model(tmp_path / "missing.pt", tmp_path / "out", licence=licence)
