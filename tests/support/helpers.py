"""Small real inputs that tests share."""

from pathlib import Path

import numpy as np
import pytest

from scan2seg.config.check import check_file
from scan2seg.config.problems import ConfigurationError


def data_folder() -> Path:
    """Return the folder of real data, or skip."""
    import os

    folder = Path(os.environ.get("SCAN2SEG_DATA", "../shared/data"))
    if not folder.is_dir():
        pytest.skip("real data not found: set SCAN2SEG_DATA to its folder")
    return folder.resolve()


def make_images(folder: Path, count: int = 12, size: int = 40, seed: int = 0, classes: int = 3) -> None:
    """Write grey PNG images of discs on noise, and label PNGs with values 0, 100, 200."""
    from PIL import Image

    generator = np.random.default_rng(seed)
    for part in ("images", "labels"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    y, x = np.mgrid[:size, :size]
    for index in range(count):
        label = np.zeros((size, size), np.uint8)
        for value in range(1, classes):
            centre, radius = generator.uniform(8, size - 8, 2), generator.uniform(4, 8)
            label[(y - centre[0]) ** 2 + (x - centre[1]) ** 2 < radius**2] = value
        image = 60 + 70 * label + generator.normal(0, 6, label.shape)
        Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(folder / "images" / f"cell_{index:02d}.png")
        Image.fromarray(label * 100).save(folder / "labels" / f"cell_{index:02d}_mask.png")


DATASET = """
source:
  kind: images
  images: "{folder}/images/*.png"
  labels: "{folder}/labels/*.png"
  label_values: {{dark: 0, grey: 100, bright: 200}}
classes: [dark, grey, bright]
split: {{strategy: random, seed: 1}}
"""

MODEL = """
architecture: {architecture}
patching: {{size: 32, stride: 16}}
training: {{epochs: 2, batch_size: 8}}
resources: {{gpus: 0, threads: 1}}
"""


def problems_of(path: Path) -> str:
    """Return all that a check says is wrong with a file and those that it names."""
    with pytest.raises(ConfigurationError) as caught:
        check_file(path)
    return str(caught.value)


def change(path: Path, old: str, new: str) -> None:
    """Replace what a file must hold."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
