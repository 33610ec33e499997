"""What is exported computes our labels in ONNX Runtime and from torch.export, and is a model of bioimage.io."""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch

from scan2seg.appearance import describe_appearance
from scan2seg.checkpoint import SegmentationModel, load_checkpoint, save_checkpoint
from scan2seg.cli import main
from scan2seg.config.base import Plugin
from scan2seg.config.reading import Reading
from scan2seg.config.training import InferenceSettings
from scan2seg.errors import InputError
from scan2seg.inference.export import export_model
from scan2seg.inference.tiling import Predictor
from scan2seg.normalisation import Normalisation

UNET = {"method": "unet", "encoder": None, "width": 4, "depth": 2}
UNET_3D = {"method": "unet_3d", "features": [4, 4, 4, 4, 8, 4]}


def write_model(folder: Path, architecture: dict[str, Any], size: list[int], per_image: bool = False) -> Path:
    torch.manual_seed(0)
    normalisation = Normalisation(1, per_image=per_image)
    if not per_image:
        normalisation.fill(np.array([100.0]), np.array([40.0]))
    model = SegmentationModel(Plugin("architectures").resolve(architecture), normalisation, 1, 3).eval()
    recipe = {"architecture": model.architecture.content(), "training": {"epochs": 3}}
    facts: dict[str, Any] = {"classes": ["air", "ice cream", "lead"], "patch_size": size, "neighbours": 0}
    facts |= {"reading": Reading(kind="images").model_dump(mode="json"), "pixel_size": 1.5}
    windows = np.random.default_rng(0).normal(100, 40, (5, 1, 16, 16)).astype(np.float32)
    facts["appearance"] = describe_appearance(windows)
    facts["provenance"] = {"created": "2026-01-01", "settings": {"recipe": recipe}}
    save_checkpoint(folder / "checkpoint.pt", model, facts)
    return folder / "checkpoint.pt"


@pytest.mark.parametrize(
    ("architecture", "size", "per_image"),
    [
        (UNET, [32, 24], False),
        (UNET, [32, 24], True),
        pytest.param(UNET_3D, [16, 32, 32], False, marks=pytest.mark.slow),
    ],
)
def test_programs_give_our_labels(
    tmp_path: Path, architecture: dict[str, Any], size: list[int], per_image: bool
) -> None:
    checkpoint = write_model(tmp_path, architecture, size, per_image)
    folder = export_model(checkpoint, tmp_path / "out")
    images = np.random.default_rng(1).normal(100, 40, (3, 1, *size)).astype(np.float32)
    predictor = Predictor(checkpoint, InferenceSettings())
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
    bioimageio = pytest.importorskip("bioimageio.core", reason="pip install bioimageio.core 'pydantic<2.13' for it")
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
