"""The description against counts made by hand."""

import torch
from torch import nn

from scan2seg import plugins
from scan2seg.architectures.any_size import AnySize
from scan2seg.architectures.description import describe_model

torch.set_num_threads(1)


def test_two_convolutions_are_counted_by_hand() -> None:
    network = nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), nn.Conv2d(4, 3, 5, padding=2))
    network[0].weight.requires_grad_(False)
    model = AnySize(network, 1).train()
    found = describe_model(model, 2, 32)
    weights = (2 * 4 * 9, 4 * 3 * 25)
    assert found["parameters"] == sum(weights) + 4 + 3
    assert found["trainable_parameters"] == found["parameters"] - weights[0]
    assert found["frozen_parameters"] == weights[0] and found["output_stride"] == 1
    assert found["flops"] == 2 * sum(weights) * 32 * 32
    assert found["receptive_field"] == [7, 7]
    assert 3 <= found["effective_receptive_field"][0] <= 7
    assert model.training


def test_levels_and_fitted_models() -> None:
    module = plugins.load("architectures", "unet")
    model = module.build(module.Params(encoder=None, width=4, depth=3, supervised_levels=3), 1, 2)
    assert describe_model(model, 1, (24, 40))["output_levels"] == 3
    module = plugins.load("architectures", "otsu")
    assert describe_model(module.build(module.Params(), 1, 2), 1, 16)["flops"] is None
