"""What is smaller than a patch of the training is predicted as training saw it: mirrored to the size of a patch.

A network whose normalisation depends on all of an image computes something else without it: in MRI of the hippocampus,
35 x 45 x 30 voxels and patches of 32 x 64 x 48, two of 25 volumes had a Dice coefficient of 0.3 in place of 0.9.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from scan2seg.checkpoint import SegmentationModel, save_checkpoint
from scan2seg.config.base import Plugin
from scan2seg.config.training import InferenceSettings
from scan2seg.inference.tiling import Predictor
from scan2seg.normalisation import Normalisation

UNET = {"method": "unet", "encoder": None, "width": 4, "depth": 2, "normalisation": "instance"}
UNET_3D = {"method": "unet_3d", "features": [4, 4, 4, 4, 8, 4]}


def make_predictor(folder: Path, architecture: dict[str, Any], patch: list[int], **settings: Any) -> Predictor:
    torch.manual_seed(0)
    model = SegmentationModel(Plugin("architectures").resolve(architecture), Normalisation(1), 1, 2)
    save_checkpoint(
        folder / "checkpoint.pt", model.eval(), {"classes": ["a", "b"], "patch_size": patch, "neighbours": 0}
    )
    return Predictor(folder / "checkpoint.pt", InferenceSettings(precision="float32", **settings))


def draw(*size: int) -> NDArray[np.float32]:
    return np.random.default_rng(0).normal(size=(1, *size)).astype(np.float32)


def as_in_training(predictor: Predictor, image: NDArray[np.float32], size: tuple[int, ...]) -> torch.Tensor:
    """Compute the probabilities with nothing but NumPy's mirroring and the network."""
    missing = [(0, 0), *((0, whole - length) for whole, length in zip(size, image.shape[1:], strict=True))]
    patch = torch.from_numpy(np.pad(image, missing, mode="symmetric"))[None]
    with torch.inference_mode():
        found: torch.Tensor = predictor.model(patch)[0].softmax(dim=0)
    return found[(slice(None), *(slice(length) for length in image.shape[1:]))]


@pytest.mark.parametrize("size", [(16, 16), (9, 11), (20, 5), (3, 40)])
def test_an_image(tmp_path: Path, size: tuple[int, int]) -> None:
    predictor = make_predictor(tmp_path, UNET, [16, 16], tile=48)
    complete = tuple(max(length, 16) for length in size)
    image = draw(*size)
    torch.testing.assert_close(predictor.predict(image), as_in_training(predictor, image, complete))
    if size != complete:
        # the network alone tells the two apart
        alone = as_in_training(predictor, image, size)
        assert not torch.allclose(predictor.predict(image), alone, atol=1e-3)


@pytest.mark.parametrize("size", [(8, 9, 16), (8, 16, 11), (20, 12, 12)])
def test_a_volume(tmp_path: Path, size: tuple[int, int, int]) -> None:
    patch = (16, 16, 16)
    predictor = make_predictor(tmp_path, UNET_3D, list(patch), overlap=0.0)
    volume = draw(*size)
    if size[0] <= 16:
        expected = as_in_training(predictor, volume, patch)
    else:
        slabs = [as_in_training(predictor, volume[:, start : start + 16], patch) for start in (0, 4)]
        found = predictor.predict(volume)
        torch.testing.assert_close(found[:, :4], slabs[0][:, :4])
        torch.testing.assert_close(found[:, 16:], slabs[1][:, 12:])
        return
    torch.testing.assert_close(predictor.predict(volume), expected)


def test_tiles_that_are_asked_to_be_smaller_than_a_patch_stay_so(tmp_path: Path) -> None:
    predictor = make_predictor(tmp_path, UNET, [32, 32], tile=8, overlap=0.0)
    shapes = {tuple(tiles.shape[-2:]) for _, tiles in predictor.cut(draw(1, 24, 24))}
    assert shapes == {(8, 8)}
