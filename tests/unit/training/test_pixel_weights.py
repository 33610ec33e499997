"""Pixel weights beside class weights: where the source adds them, their product with the class weights is its sum."""

import pytest
import torch

from scan2seg.checkpoint import SegmentationModel
from scan2seg.config.model import Model
from scan2seg.config.recipe import Recipe
from scan2seg.errors import InputError
from scan2seg.losses.common import pixel_factors
from scan2seg.normalisation import Normalisation
from scan2seg.training.module import TrainingModule
from scan2seg.training.pixel_weights import PixelWeights
from scan2seg.weighting import unet_border


@pytest.fixture
def labels() -> torch.Tensor:
    found = torch.zeros(1, 24, 24, dtype=torch.int64)
    found[0, 3:9, 2:8] = 1
    found[0, 4:12, 11:15] = 2
    return found


def chosen(**settings):
    return Model.model_validate(
        {"name": "m", "architecture": "unet", "weighting": [{"method": "unet_border", **settings}]}
    ).weighting[0]


@pytest.mark.parametrize("weights", [None, [0.2, 1.3, 1.5]])
def test_border_weights_are_added_to_those_of_the_classes(labels: torch.Tensor, weights: list[float] | None) -> None:
    """U-Net paper: w(x) = w_c(x) + w0 exp(...), whatever the class weights are."""
    found = torch.tensor(weights) if weights else None
    factors = pixel_factors(
        labels, torch.ones(labels.shape), found, PixelWeights([chosen(w0=10, sigma=3)], found)(labels)
    )
    extra = unet_border.weigh(unet_border.Params(w0=10, sigma=3), labels) - 1
    own = found[labels] if found is not None else torch.ones(labels.shape)
    assert extra.max() > 4
    torch.testing.assert_close(factors, own + extra)


def test_a_background_without_weight_cannot_carry_a_border() -> None:
    with pytest.raises(InputError, match=r"class weight of background \(0\), which is 0 in training.class_weights"):
        PixelWeights([chosen()], torch.tensor([0.0, 1.0, 2.0]))


@pytest.mark.parametrize("loss", ["cross_entropy", "dice"])
def test_a_loss_gets_the_weights_that_are_meant_for_its_kind(labels: torch.Tensor, loss: str) -> None:
    """A mean over classes has no w_c of a pixel, to which anything could be added: its map is that without class weights."""
    content = {"architecture": {"method": "unet", "encoder": None, "width": 4, "depth": 1}, "loss": loss}
    recipe = Recipe.model_validate({**content, "weighting": [{"method": "unet_border", "sigma": 3}]})
    model = SegmentationModel(recipe.architecture, Normalisation(1), 1, 3)
    weights = torch.tensor([0.2, 1.3, 1.5])
    module = TrainingModule(model, recipe, None, 0, weights)  # type: ignore[arg-type]
    logits = torch.randn(1, 3, *labels.shape[1:])
    border = unet_border.weigh(unet_border.Params(sigma=3), labels)
    if loss == "cross_entropy":
        cost = torch.nn.functional.cross_entropy(logits, labels, reduction="none")
        total = weights[labels] + border - 1
        expected = (cost * total).sum() / total.sum()
    else:
        chosen = recipe.loss[0]
        expected = chosen.module.build(chosen.parameters, weights)(logits, labels, border)
    torch.testing.assert_close(module.compute_loss(logits, labels), expected)
