"""Blocks against torch's own layers, and a crash of torch's that they avoid."""

import subprocess
import sys

import pytest
import torch
from torch import nn

from scan2seg.architectures.blocks import StridedPointwise, Style

torch.set_num_threads(1)

TRAIN = """
import torch
from scan2seg import plugins

torch.set_num_threads(1)
module = plugins.load("architectures", "resunet")
network = module.build(module.Params(filters=[4, 8, 12]), 1, 2).to(memory_format=torch.channels_last)
optimizer = torch.optim.SGD(network.parameters(), 0.01)
for _ in range(30):
    images = torch.rand(4, 1, 64, 64).contiguous(memory_format=torch.channels_last)
    optimizer.zero_grad()
    network(images).square().mean().backward()
    optimizer.step()
print("trained")
"""


@pytest.mark.parametrize("size", [(8, 8), (7, 9)])
@pytest.mark.parametrize(("stride", "bias"), [(2, True), (3, False)])
def test_a_strided_shortcut_is_torchs_convolution(size: tuple[int, int], stride: int, bias: bool) -> None:
    torch.manual_seed(0)
    ours, peer = Style().convolution(5, 6, 1, stride, bias), nn.Conv2d(5, 6, 1, stride, bias=bias)
    assert isinstance(ours, StridedPointwise)
    assert list(ours.state_dict()) == list(peer.state_dict())
    ours.load_state_dict(peer.state_dict())
    images = torch.randn(2, 5, *size)
    inputs = [images.clone().requires_grad_() for _ in range(2)]
    outputs = [layer(each) for layer, each in zip((ours, peer), inputs, strict=True)]
    torch.testing.assert_close(*outputs)
    torch.stack(outputs).sin().sum().backward()
    torch.testing.assert_close(inputs[0].grad, inputs[1].grad)
    torch.testing.assert_close(ours.weight.grad, peer.weight.grad)


def test_narrow_networks_train_without_a_crash() -> None:
    done = subprocess.run([sys.executable, "-c", TRAIN], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "trained\n"), done.stderr[-500:]
