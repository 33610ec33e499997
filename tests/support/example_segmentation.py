"""A small model that was trained on made-up images, and what it is asked to segment."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from scan2seg.appearance import describe_appearance
from scan2seg.checkpoint import SegmentationModel, save_checkpoint
from scan2seg.config.base import Plugin
from scan2seg.config.image_reading import Reading
from scan2seg.config.training import InferenceSettings
from scan2seg.inference.applied_model import FileOptions
from scan2seg.inference.file_segmentation import segment_inputs
from scan2seg.inference.members import Member
from scan2seg.inference.tiling import Predictor
from scan2seg.normalisation import Normalisation

SETTINGS = InferenceSettings(tile=16, overlap=0.5)


def write_model(folder: Path, channels: int = 1, neighbours: int = 0, **reading: Any) -> Path:
    """Write a model of three classes that was trained on images as ``make_image`` makes them."""
    torch.manual_seed(0)
    inputs = channels * (2 * neighbours + 1)
    normalisation = Normalisation(inputs)
    normalisation.fill(np.full(inputs, 100.0), np.full(inputs, 40.0))
    architecture = Plugin("architectures").resolve({"method": "unet", "encoder": None, "width": 4, "depth": 2})
    model = SegmentationModel(architecture, normalisation, inputs, 3).eval()
    with torch.no_grad():
        # so that labels change from pixel to pixel
        *_, last = (layer for layer in model.modules() if isinstance(layer, torch.nn.Conv2d))
        last.bias.zero_()
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
    return segment_inputs([Member(checkpoint, SETTINGS)], list(inputs), output, FileOptions(**options))


def facts_of(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.with_name(path.name + ".json").read_text())
    return found


def write_images(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for seed, name in enumerate(names):
        Image.fromarray(make_image(seed)[0].astype(np.uint8)).save(folder / name)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
