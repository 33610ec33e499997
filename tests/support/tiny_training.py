"""A recipe that trains in seconds, and what tests do with it."""

from pathlib import Path
from typing import Any

import torch

from scan2seg.checkpoint import load_checkpoint
from scan2seg.config.model import Model
from scan2seg.config.recipe import Recipe
from scan2seg.training.job import TrainingJob
from scan2seg.training.train import train_model

TINY = {"method": "unet", "encoder": None, "width": 4, "depth": 2}


def recipe_of(**changes: Any) -> Recipe:
    content = {
        "name": "m",
        "architecture": TINY,
        "augmentation": ["flip", "rotate90", "brightness"],
        "loss": ["cross_entropy", "dice"],
        "optimizer": {"learning_rate": 0.01},
        "training": {"epochs": 3, "batch_size": 8, "precision": "float32"},
    }
    for key, value in changes.items():
        content[key] = (
            {**content[key], **value} if isinstance(content.get(key), dict) and key != "architecture" else value
        )
    return Model.model_validate(content).recipe()


def train_on(data: Path, output: Path, recipe: Recipe, replicate: str = "seed0") -> None:
    """Train on patches.zarr and split.json of a folder."""
    patches, split = data / "patches.zarr", data / "split.json"
    train_model(TrainingJob(patches=patches, split=split, output=output, recipe=recipe, replicate=replicate))


def train(data: Path, output: Path, recipe: Recipe, replicate: str = "seed0") -> dict[str, torch.Tensor]:
    train_on(data, output, recipe, replicate)
    return load_checkpoint(output / "checkpoint.pt")[0].state_dict()


def equal(one: dict[str, torch.Tensor], two: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(one[name], two[name]) for name in one)
