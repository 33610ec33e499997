"""What a network sees in new images tells those that are unlike the training images, also where grey levels are alike."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from scan2seg.checkpoint import SegmentationModel
from scan2seg.config.base import Plugin
from scan2seg.network_features import compare_features, describe_features
from scan2seg.normalisation import Normalisation

UNET = {"method": "unet", "encoder": None, "width": 8, "depth": 2}


def make_model(per_image: bool = False, **architecture: Any) -> SegmentationModel:
    torch.manual_seed(0)
    normalisation = Normalisation(1, per_image=per_image)
    if not per_image:
        normalisation.fill(np.array([0.0]), np.array([1.0]))
    classes = 2 if architecture.get("output") == "sigmoid" else 3
    return SegmentationModel(Plugin("architectures").resolve(architecture), normalisation, 1, classes).eval()


def textures(count: int, size: float, seed: int) -> list[np.ndarray]:
    """Windows of structures of one size, all of mean 0 and deviation 1."""
    generator = np.random.default_rng(seed)
    fields = [gaussian_filter(generator.normal(size=(48, 48)), size, mode="wrap") for _ in range(count)]
    return [((field - field.mean()) / field.std())[None].astype(np.float32) for field in fields]


@pytest.mark.parametrize("per_image", [False, True])
def test_images_alike_are_passed_and_others_are_named_with_numbers(per_image: bool) -> None:
    model = make_model(per_image, **UNET)
    trained = describe_features(model, textures(40, 1.5, 0))
    assert trained is not None and len(trained["mean"]) == len(trained["deviation"]) == 8
    assert compare_features(model, textures(9, 1.5, 1), trained) == []
    (line,) = compare_features(model, textures(9, 5.0, 2), trained)
    assert "features lie" in line and f"up to {trained['usual_distance']:.3g} is usual" in line


def test_windows_in_other_places_do_not_make_an_image_unlike() -> None:
    """The middle of a specimen, where training windows held its edge: most windows differ, some are as in training."""
    model = make_model(**UNET)
    trained = describe_features(model, textures(40, 1.5, 0))
    assert compare_features(model, [*textures(6, 5.0, 2), *textures(3, 1.5, 1)], trained) == []
    assert compare_features(model, [*textures(8, 5.0, 2), *textures(1, 1.5, 1)], trained) != []


def test_what_is_seen_does_not_depend_on_other_calls_and_leaves_no_hook() -> None:
    model = make_model(**UNET)
    windows = textures(10, 1.5, 0)
    assert describe_features(model, windows) == describe_features(model, windows)
    assert not any(layer._forward_pre_hooks for layer in model.modules())


@pytest.mark.parametrize(
    "architecture",
    [
        {"method": "unet_plus_plus", "encoder": None, "width": 4, "depth": 2, "deep_supervision": True},
        {"method": "deeplabv3_plus", "encoder": "resnet18"},
        {"method": "resunet"},
        {"method": "sd_unet"},
        {"method": "unet", "encoder": None, "width": 4, "depth": 2, "output": "sigmoid"},
    ],
    ids=lambda architecture: f"{architecture['method']} {architecture.get('output', '')}".strip(),
)
def test_networks_of_other_builds_are_seen_into_too(architecture: dict[str, Any]) -> None:
    model, windows = make_model(**architecture), textures(6, 1.5, 0)
    trained = describe_features(model, windows)
    assert trained is not None and compare_features(model, windows, trained) == []


@pytest.mark.parametrize(
    "architecture",
    [{"method": "otsu"}, {"method": "unet_3d", "features": [4, 4, 4, 4, 8, 4]}],
    ids=["no layers", "volumes"],
)
def test_models_without_such_a_layer_say_nothing(architecture: dict[str, Any]) -> None:
    model = make_model(**architecture)
    assert describe_features(model, textures(2, 1.5, 0)) is None
    assert compare_features(model, textures(2, 1.5, 0), None) == []
