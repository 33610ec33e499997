"""MONAI's networks in the experiments on brains: each row builds, and learns from one step."""

from pathlib import Path

import pytest
import torch

from scan2seg.config.base import Plugin
from scan2seg.config.experiment import load_experiment

EXPERIMENTS = Path(__file__).parents[3] / "config" / "experiments"
MONAI = {"unet_3d", "segresnet", "segresnet_3d", "attention_unet", "swin_unetr"}
EXPECTED = {
    "brats2015": MONAI,
    "hippocampus": {"unet_3d", "segresnet_3d", "attention_unet", "swin_unetr"},
}


@pytest.mark.parametrize("name", EXPECTED)
def test_the_experiment_has_the_rows(name: str) -> None:
    found = {model.architecture.method for model in load_experiment(EXPERIMENTS / f"{name}.yaml").models.values()}
    assert EXPECTED[name] <= found


@pytest.mark.parametrize(
    ("name", "channels", "classes"),
    [pytest.param("brats2015", 4, 5, marks=pytest.mark.slow), ("hippocampus", 1, 3)],
)
def test_every_row_learns(name: str, channels: int, classes: int) -> None:
    torch.manual_seed(0)
    for row, model in load_experiment(EXPERIMENTS / f"{name}.yaml").models.items():
        method = model.architecture.method
        if method not in MONAI:
            continue
        chosen = model.architecture
        network = chosen.module.build(chosen.parameters, channels, classes)
        size = (16, 24, 20) if model.patching.depth else (40, 36)
        images, labels = torch.randn(2, channels, *size), torch.randint(0, classes, (2, *size))
        optimizer = torch.optim.SGD(network.parameters(), 1e-2)
        before = torch.nn.functional.cross_entropy(network(images), labels)
        before.backward()
        optimizer.step()
        after = torch.nn.functional.cross_entropy(network(images), labels)
        assert after < before, row


def test_the_decoder_of_segresnet_follows_the_levels_of_its_encoder() -> None:
    resolve = Plugin("architectures").resolve
    chosen = resolve({"method": "segresnet_3d", "blocks_down": [1, 2, 2]})
    network = chosen.module.build(chosen.parameters, 1, 3)
    assert network(torch.zeros(1, 1, 12, 16, 8)).shape == (1, 3, 12, 16, 8)
    with pytest.raises(ValueError, match=r"blocks_up: has 3 levels; write 2, one fewer than blocks_down has"):
        chosen.module.Params(blocks_down=[1, 2, 2], blocks_up=[1, 1, 1])
