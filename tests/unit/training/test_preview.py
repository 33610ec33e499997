"""The picture of augmented patches is drawn for every kind of patch, and says what is missing."""

from pathlib import Path

import numpy as np
import pytest
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
    assert main(["preview", "nothing", "unet", "--results", str(tmp_path), "--output", str(tmp_path / "p.png")]) == 2
    error = capsys.readouterr().err
    assert "nothing" in error and "patches" in error and not (tmp_path / "p.png").exists()
