"""The grey-level baseline learns where most pixels are of the first class, and does not end at it everywhere."""

import pytest
import torch

from scan2seg import plugins
from scan2seg.architectures.published_blocks import GreyLevels


@pytest.mark.parametrize("classes", [3, 4])
def test_rare_bright_classes_are_learned(classes: int) -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    architecture, mse = plugins.load("architectures", "xlearn"), plugins.load("losses", "mse")
    network = architecture.build(architecture.Params(width=8), 1, classes)
    loss = mse.build(mse.Params(target="grey"), None)
    blocks = (torch.rand(16, 1, 8, 8) < 0.15).float()
    labels = torch.nn.functional.interpolate(blocks, scale_factor=4)[:, 0].long()
    labels = labels * torch.randint(1, classes, (16, 1, 1))
    images = labels[:, None].float() / classes + 0.1 * torch.randn(16, 1, 32, 32)
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)
    for _ in range(100):
        optimizer.zero_grad()
        loss(network(images), labels).backward()
        optimizer.step()
    found = network(images).argmax(1)
    foreground = labels > 0
    assert (found[foreground] == labels[foreground]).float().mean() > 0.6


@pytest.mark.parametrize("start", [-0.3, 1.7])
def test_a_value_beyond_the_levels_comes_back(start: float) -> None:
    value = torch.tensor(start, requires_grad=True)
    network = GreyLevels(torch.nn.Identity(), 4)
    loss = plugins.load("losses", "mse").build(plugins.load("losses", "mse").Params(target="grey"), None)
    optimizer = torch.optim.Adam([value], 0.1)
    labels = torch.ones(1, 8, 8, dtype=torch.long)
    for _ in range(60):
        optimizer.zero_grad()
        loss(network(value.expand(1, 1, 8, 8)), labels).backward()
        optimizer.step()
    assert float(value) == pytest.approx(1 / 3, abs=0.1)
