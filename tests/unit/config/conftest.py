"""Writes an experiment of one dataset of images and one small network."""

from pathlib import Path

import pytest
from helpers import DATASET, MODEL, make_images


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_images(tmp_path)
    (tmp_path / "cells.yaml").write_text(DATASET.format(folder="."))
    (tmp_path / "small.yaml").write_text(MODEL.format(architecture="{method: unet, encoder: null, width: 4, depth: 2}"))
    (tmp_path / "try.yaml").write_text("datasets: [./cells.yaml]\nmodels: [./small.yaml]\n")
    return tmp_path
