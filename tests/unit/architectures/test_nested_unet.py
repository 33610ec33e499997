"""U-Net++: its branches, and what the two modes compute."""

import pytest
import torch

from scan2seg import plugins
from scan2seg.errors import InputError

torch.set_num_threads(1)


def make(**settings: object) -> torch.nn.Module:
    torch.manual_seed(0)
    module = plugins.load("architectures", "unet_plus_plus")
    params = module.Params.model_validate({"encoder": None, "width": 4, "depth": 3, **settings})
    return module.build(params, 1, 2)


def test_accurate_mode_is_the_mean_of_the_branches_probabilities() -> None:
    images = torch.randn(1, 1, 16, 24)
    for output in ("softmax", "sigmoid"):
        model = make(deep_supervision=True, output=output, normalisation="none")
        branches = model.train()(images)
        assert len(branches) == 3
        mean = torch.stack([branch.softmax(1) for branch in branches]).mean(0)
        assert torch.allclose(model.eval()(images).softmax(1), mean, atol=1e-5)


def test_fast_mode_reads_one_branch_and_needs_no_deeper_part() -> None:
    images = torch.randn(1, 1, 16, 24)
    model = make(deep_supervision=True, mode="fast", fast_branch=2, normalisation="none")
    branches = model.train()(images)
    assert torch.allclose(model.eval()(images), branches[1], atol=1e-6)
    model.network.nodes["0_3"] = None
    assert torch.allclose(model(images), branches[1], atol=1e-6)


def test_contradicting_settings_are_named() -> None:
    with pytest.raises(InputError, match="deep_supervision"):
        make(mode="fast", fast_branch=1)
    with pytest.raises(InputError, match="3 branches"):
        make(deep_supervision=True, mode="fast", fast_branch=5)
    with pytest.raises(InputError, match="needs 3 numbers"):
        make(decoder_channels=[4])
