"""The picture of augmented patches is drawn for every kind of patch, and says what is missing."""

import re
from pathlib import Path

import numpy as np
import pytest
from helpers import DATASET, MODEL, make_images
from PIL import Image
from tiny_training import recipe_of

from scan2seg.cli import main
from scan2seg.training.preview import preview_augmentation


def test_patches_are_drawn_as_augmented(data: Path, tmp_path: Path) -> None:
    pictures = []
    for name, augmentation in (("same", []), ("bright", [{"method": "brightness", "amount": 0.5, "probability": 1}])):
        preview_augmentation(data / "patches.zarr", recipe_of(augmentation=augmentation), tmp_path / f"{name}.png")
        pictures.append(np.asarray(Image.open(tmp_path / f"{name}.png").convert("L"), float))
    assert pictures[0].shape == pictures[1].shape and min(pictures[0].shape) > 100
    assert pictures[0].std() > 5 and np.abs(pictures[0] - pictures[1]).max() > 10


def test_patches_that_are_not_there_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_images(tmp_path, count=5)
    (tmp_path / "cells.yaml").write_text(DATASET.format(folder="."))
    (tmp_path / "small.yaml").write_text(MODEL.format(architecture="otsu"))
    (tmp_path / "try.yaml").write_text("datasets: [./cells.yaml]\nmodels: [./small.yaml]\n")
    monkeypatch.chdir(tmp_path)
    assert main(["preview", "try.yaml", "small", "--output", "p.png"]) == 2
    assert re.search(
        r"results/stacks/cells-\w+/patches/32x32-\w+\.zarr: there is no such store", capsys.readouterr().err
    )
    assert main(["preview", "try.yaml", "smal", "--output", "p.png"]) == 2
    assert "has no model 'smal'; it has small" in capsys.readouterr().err
    assert not (tmp_path / "p.png").exists()
