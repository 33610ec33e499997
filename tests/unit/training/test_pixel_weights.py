"""Pixel weights beside class weights: where the source adds them, their product with the class weights is its sum."""

import pytest
import torch

from scan2seg.config.model import Model
from scan2seg.errors import InputError
from scan2seg.losses.common import pixel_factors
from scan2seg.training.pixel_weights import build_weighting
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
        labels, torch.ones(labels.shape), found, build_weighting(chosen(w0=10, sigma=3), found)(labels)
    )
    extra = unet_border.weigh(unet_border.Params(w0=10, sigma=3), labels) - 1
    own = found[labels] if found is not None else torch.ones(labels.shape)
    assert extra.max() > 4
    torch.testing.assert_close(factors, own + extra)


def test_a_background_without_weight_cannot_carry_a_border() -> None:
    with pytest.raises(InputError, match=r"class weight of background \(0\), which is 0 in training.class_weights"):
        build_weighting(chosen(), torch.tensor([0.0, 1.0, 2.0]))
