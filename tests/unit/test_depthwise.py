"""Gradients of depthwise convolutions in mixed precision: those of float32, and nothing else is touched."""

from contextlib import nullcontext

import pytest
import torch
from torch import Tensor, nn

from scan2seg.depthwise import fast_gradients
from scan2seg.device import autocast

LAYERS = {
    "3x3": nn.Conv2d(8, 8, 3, padding=1, groups=8),
    "5x5, stride 2, no bias": nn.Conv2d(8, 8, 5, stride=2, padding=2, groups=8, bias=False),
    "dilated, two outputs a channel": nn.Conv2d(8, 16, 3, padding=(2, 2), dilation=2, groups=8),
    "volume": nn.Conv3d(8, 8, 3, padding=1, groups=8),
    "line": nn.Conv1d(8, 8, 3, padding="same", groups=8),
    "dense": nn.Conv2d(8, 8, 3, padding=1),
}
LEFT_TO_TORCH = ("line", "dense")
"""Whose padding is a word, or which are not depthwise: how exact torch is there depends on the processor."""


def compute(layer: nn.Module, image: Tensor, context: object) -> list[Tensor]:
    """Return the output and the gradients of input and parameters, for a fixed gradient of the output."""
    image = image.detach().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16), context:  # type: ignore[attr-defined]
        output = layer(image)
    gradient = torch.linspace(-1, 1, output.numel()).reshape(output.shape).to(output.dtype)
    return [output, *torch.autograd.grad(output, [image, *layer.parameters()], gradient)]


@pytest.mark.parametrize("name", LAYERS)
def test_outputs_stay_and_gradients_are_those_of_float32(name: str) -> None:
    layer = LAYERS[name]
    torch.manual_seed(0)
    axes = next(iter(layer.parameters())).ndim - 2
    image = torch.randn(2, 8, *[11] * axes).bfloat16().float()
    with torch.no_grad():
        for value in layer.parameters():
            value.copy_(value.bfloat16())
    ours, torchs = compute(layer, image, fast_gradients("cpu")), compute(layer, image, nullcontext())
    assert ours[0].dtype == torch.bfloat16 and torch.equal(ours[0], torchs[0])
    with torch.autocast("cpu", enabled=False):
        seen = image.detach().requires_grad_()
        output = layer(seen)
        gradient = torch.linspace(-1, 1, output.numel()).reshape(output.shape).bfloat16().float()
        exact = torch.autograd.grad(output, [seen, *layer.parameters()], gradient)
    for one, theirs, true in zip(ours[1:], torchs[1:], exact, strict=True):
        assert one.dtype == theirs.dtype == torch.float32
        if name in LEFT_TO_TORCH:
            assert torch.equal(one, theirs)
        else:
            # half a unit in the last of eight bits is what rounding the gradient once takes
            assert (one - true).norm() <= 2**-8 * true.norm()


def test_only_depthwise_convolutions_that_are_trained_are_computed_by_us(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    from scan2seg import depthwise

    convolve = depthwise._Depthwise.apply
    monkeypatch.setattr(depthwise._Depthwise, "apply", lambda *args: seen.append(args[-1]) or convolve(*args))
    network = nn.Sequential(nn.Conv2d(4, 8, 1), nn.Conv2d(8, 8, 3, groups=8), nn.Conv2d(8, 8, 3, groups=2))
    image = torch.randn(1, 4, 9, 9)
    with autocast("cpu", "bfloat16"):
        network(image).float().sum().backward()
    assert seen == [8]
    with autocast("cpu", "bfloat16"), torch.no_grad():
        network(image)
    with autocast("cpu", "float32"):
        network(image)
    assert seen == [8]
