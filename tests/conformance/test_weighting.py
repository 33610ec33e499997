"""Every weighting keeps the folder's promise: shape, type, no negative or endless weight, images on their own."""

import pytest
import torch

from scan2seg import plugins

NAMES = plugins.names("weighting")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64])
@pytest.mark.parametrize("depth", [(), (5,)])
def test_weights(name: str, dtype: torch.dtype, depth: tuple[int, ...]) -> None:
    labels = torch.zeros(4, *depth, 30, 22, dtype=dtype)
    labels[0, ..., 4:10, 3:9] = 1
    labels[0, ..., 4:10, 11:15] = 2
    labels[1] = 1
    labels[2] = 255
    module = plugins.load("weighting", name)
    weights = module.weigh(module.Params(), labels)
    assert (weights.shape, weights.dtype) == (labels.shape, torch.float32)
    assert torch.isfinite(weights).all()
    assert (weights >= 0).all()
    assert weights[0].max() > weights[0].min()
    assert (weights[1:] == 1).all()
    alone = torch.cat([module.weigh(module.Params(), one[None]) for one in labels])
    assert torch.equal(weights, alone)
