"""Patches that a tiny network learns in seconds."""

from pathlib import Path

import pytest
from helpers import make_images

from scan2seg.config.dataset import Dataset
from scan2seg.config.patching import PatchingSettings
from scan2seg.patches import extract_patches
from scan2seg.split import split_stack
from scan2seg.stack import assemble_stack


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    make_images(folder, count=14)
    source = {
        "kind": "images",
        "images": "images/*",
        "labels": "labels/*",
        "label_values": {"a": 0, "b": 100, "c": 200},
    }
    context = {"folder": str(folder)}
    dataset = Dataset.model_validate({"name": "d", "source": source, "classes": ["a", "b", "c"]}, context=context)
    assemble_stack(dataset.stack_source(), folder / "stack.zarr", classes=dataset.classes)
    split_stack(folder / "stack.zarr", folder / "split.json", dataset.split, folds=2)
    patching = PatchingSettings(size=32, stride=8)
    extract_patches(folder / "stack.zarr", folder / "split.json", folder / "patches.zarr", patching)
    return folder
