"""Maps of labels are made once a patch, whichever way it is turned, and are those that would be made anew."""

from typing import Any

import numpy as np
import pytest
import torch

from scan2seg import plugins
from scan2seg.config.recipe import Recipe
from scan2seg.label_maps import LabelMaps
from scan2seg.losses import boundary
from scan2seg.losses.boundary import signed_distance
from scan2seg.training.pixel_weights import PixelWeights
from scan2seg.weighting import unet_border


def make_labels(*shape: int, classes: int = 3) -> torch.Tensor:
    blobs = torch.rand(shape[0], classes, *(length // 6 for length in shape[1:]))
    mode = "bilinear" if len(shape) == 3 else "trilinear"
    return torch.nn.functional.interpolate(blobs, size=shape[1:], mode=mode).argmax(1).to(torch.uint8)


def turned(labels: torch.Tensor) -> list[torch.Tensor]:
    """Return flips and quarter turns of labels, as augmentations make them."""
    turns = [labels.rot90(count, (-2, -1)) for count in range(4)]
    return [*turns, *(each.flip(-1) for each in turns), labels.flip(-2), labels]


@pytest.mark.parametrize("shape", [(4, 40, 40), (2, 30, 48), (2, 12, 24, 24)])
@pytest.mark.parametrize("kind", ["distance", "border"])
def test_a_map_that_is_kept_is_the_one_of_the_turned_labels(shape: tuple[int, ...], kind: str) -> None:
    torch.manual_seed(0)
    made = 0

    def make(labels: np.ndarray) -> np.ndarray:
        nonlocal made
        made += 1
        if kind == "border":
            return unet_border.weigh(unet_border.Params(), torch.from_numpy(labels)[None])[0].numpy()
        return signed_distance(labels == np.arange(3).reshape(-1, *[1] * labels.ndim), 20)

    labels = make_labels(*shape)
    labels[0, 0, :5] = 255
    maps = LabelMaps(make)
    first = maps.of(labels)
    assert made == len(labels)
    for each in turned(labels):
        found = maps.of(each)
        made = 0
        anew = torch.from_numpy(np.stack([make(np.ascontiguousarray(one)) for one in each.numpy()]))
        assert torch.equal(found, anew)
        made = 0
    assert maps.of(labels).equal(first) and made == 0


def test_maps_take_no_more_memory_than_they_may() -> None:
    maps = LabelMaps(lambda labels: labels.astype(np.float32))
    maps.limit = 3 * 4 * 36
    labels = torch.stack([torch.arange(36, dtype=torch.uint8).reshape(6, 6) + place for place in range(9)])
    for _ in range(2):
        assert torch.equal(maps.of(labels), labels.float())
    assert maps.size == maps.limit


def test_losses_and_weights_of_a_training_make_them_once(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    calls = {"distance": 0, "border": 0}

    def count(kind: str, function: Any) -> Any:
        def counted(*arguments: Any) -> Any:
            calls[kind] += 1
            return function(*arguments)

        return counted

    monkeypatch.setattr(boundary, "signed_distance", count("distance", signed_distance))
    monkeypatch.setattr(unet_border, "weigh", count("border", unet_border.weigh))
    labels, logits = make_labels(3, 32, 32), torch.randn(3, 3, 32, 32)
    loss = boundary.build(boundary.Params(), None)
    recipe = Recipe.model_validate({"architecture": "otsu", "weighting": ["unet_border"]})
    weigh = PixelWeights(recipe.weighting, None)
    first = loss(logits, labels.long(), weigh(labels))
    assert calls == {"distance": 3, "border": 3}
    again = loss(logits.flip(-1), labels.flip(-1).long(), weigh(labels.flip(-1)))
    assert calls == {"distance": 3, "border": 3} and torch.allclose(first, again)
    assert not hasattr(plugins.load("weighting", "bounding_box"), "KEPT")
