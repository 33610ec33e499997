"""What is timed as the model alone are the forward passes that prediction makes, and no others."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from scan2seg.checkpoint import SegmentationModel, save_checkpoint
from scan2seg.config.base import Plugin
from scan2seg.config.training import InferenceSettings
from scan2seg.inference import timing
from scan2seg.inference.tiling import Predictor
from scan2seg.inference.timing import time_inference
from scan2seg.normalisation import Normalisation
from scan2seg.storage import create_array, creating, read_json, write_json

UNET = {"method": "unet", "encoder": None, "width": 4, "depth": 2}
UNET_3D = {"method": "unet_3d", "features": [4, 4, 4, 4, 8, 4]}
Batches = list[torch.Tensor]


def write_inputs(folder: Path, images: np.ndarray, architecture: dict[str, Any], patch: list[int]) -> None:
    """Write a stack of test images (n, y, x) of one volume, and a model that standardises by image or volume."""
    size = images.shape[1:]
    with creating(folder / "stack.zarr") as group:
        create_array(group, "image", (len(images), 1, *size), "float32")[:] = images[:, None]
        group.create_array("size", data=np.array([size] * len(images), np.int32))
        group.attrs.update({"groups": ["g"] * len(images), "names": [str(index) for index in range(len(images))]})
    write_json(folder / "split.json", {"train": [], "validation": [], "test": list(range(len(images)))})
    torch.manual_seed(0)
    resolved = Plugin("architectures").resolve(architecture)
    model = SegmentationModel(resolved, Normalisation(1, per_image=True), 1, 2).eval()
    facts = {"classes": ["a", "b"], "patch_size": patch, "neighbours": 0, "precision": "float32"}
    save_checkpoint(folder / "checkpoint.pt", model, facts)


def watch_work(folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Batches, Batches]:
    """Time the first images; return what the network computes for one prediction of them, and as the model alone."""
    whole: Batches = []
    alone: Batches = []
    average, forward = Predictor._average, Predictor.forward

    def watch_average(self: Predictor, tiles: torch.Tensor, precision: str) -> torch.Tensor:
        whole.append(tiles)
        return average(self, tiles, precision)

    def watch_forward(self: Predictor, tiles: torch.Tensor) -> None:
        alone.append(tiles)
        forward(self, tiles)

    def measure(work: Any, model_work: Any, *_: Any) -> dict[str, float]:
        whole.clear()
        alone.clear()
        work()
        model_work()
        return {}

    monkeypatch.setattr(Predictor, "_average", watch_average)
    monkeypatch.setattr(Predictor, "forward", watch_forward)
    monkeypatch.setattr(timing, "_measure", measure)
    files = (folder / name for name in ("stack.zarr", "split.json", "checkpoint.pt", "timing.json"))
    time_inference(*files, InferenceSettings(tile=16, batch_size=3, overlap=0.25))
    return whole, alone


def test_tiles_of_one_value_count_in_neither(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.random.default_rng(0).normal(5, 1, (2, 64, 64)).astype(np.float32)
    images[:, 20:] = 0
    write_inputs(tmp_path, images, UNET, [16, 16])
    whole, alone = watch_work(tmp_path, monkeypatch)
    assert sum(map(len, alone)) == 10 and len(whole) == len(alone)
    assert all(torch.equal(*pair) for pair in zip(whole, alone, strict=True))
    assert read_json(tmp_path / "timing.json")["tile_size"] == [16, 16]


def test_an_image_of_one_value_is_timed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_inputs(tmp_path, np.ones((1, 40, 40), np.float32), UNET, [16, 16])
    assert watch_work(tmp_path, monkeypatch) == ([], [])


def test_a_volume_is_standardised_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Slices that are read to measure the volume are no slabs, and the network gets what it gets in prediction."""
    images = np.random.default_rng(0).normal(100, 30, (9, 20, 18)).astype(np.float32)
    write_inputs(tmp_path, images, UNET_3D, [2, 16, 16])
    whole, alone = watch_work(tmp_path, monkeypatch)
    assert {tuple(tiles.shape[1:]) for tiles in alone} == {(1, 2, 16, 16)}
    assert len(whole) == len(alone) and all(torch.equal(*pair) for pair in zip(whole, alone, strict=True))
    assert abs(float(torch.cat(alone).mean())) < 0.5
    assert read_json(tmp_path / "timing.json")["image_size"] == [20, 18]


def test_of_many_batches_some_are_timed_and_stand_for_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "MOST_BATCHES", 2)
    images = np.random.default_rng(0).normal(size=(1, 64, 64)).astype(np.float32)
    write_inputs(tmp_path, images, UNET, [16, 16])
    whole, alone = watch_work(tmp_path, monkeypatch)
    assert len(whole) > 2 and [len(alone), *map(len, alone)] == [2, len(whole[0]), len(whole[-1])]
    assert torch.equal(alone[0], whole[0]) and torch.equal(alone[1], whole[-1])
