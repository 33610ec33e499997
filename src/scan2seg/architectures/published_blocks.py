"""Blocks of single published networks; images are (N, C, H, W) throughout."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from scan2seg.architectures.blocks import Style


class PyramidPooling(nn.Module):
    """Means over a grid of bins, convolved, resized and joined to the features (Zhao et al. 2017).

    Args:
        inputs: channels of the features.
        bins: bins a side, one entry a level; each gives ``inputs / len(bins)`` channels.
    """

    def __init__(self, inputs: int, bins: Sequence[int]) -> None:
        """Build one branch a level."""
        super().__init__()
        width = max(inputs // len(bins), 1)
        self.outputs = inputs + width * len(bins)
        self.branches = nn.ModuleList(
            nn.Sequential(
                nn.AdaptiveAvgPool2d(count), nn.Conv2d(inputs, width, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()
            )
            for count in bins
        )

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, inputs, H, W) to (N, outputs, H, W)."""
        size = features.shape[2:]
        pooled = [F.interpolate(b(features), size=size, mode="bilinear", align_corners=False) for b in self.branches]
        return torch.cat([features, *pooled], 1)


class ResPath(nn.Module):
    """A chain of residual 3 x 3 convolutions on a skip connection (Ibtehaz and Rahman 2020)."""

    def __init__(self, channels: int, length: int, style: Style) -> None:
        """Make ``length`` links."""
        super().__init__()
        self.main = nn.ModuleList(
            nn.Sequential(
                style.convolution(channels, channels, bias=False), style.normalise(channels), style.activate()
            )
            for _ in range(length)
        )
        self.side = nn.ModuleList(style.convolution(channels, channels, 1) for _ in range(length))
        self.after = nn.ModuleList(nn.Sequential(style.activate(), style.normalise(channels)) for _ in range(length))

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape."""
        for main, side, after in zip(self.main, self.side, self.after, strict=True):
            features = after(main(features) + side(features))
        return features


class SeparableConvolutions(nn.Sequential):
    """Depthwise and pointwise convolution, group normalisation, ReLU; repeated."""

    def __init__(self, inputs: int, outputs: int, count: int, groups: int) -> None:
        """Make ``count`` convolutions from ``inputs`` to ``outputs`` channels, normalised in ``groups``."""
        layers: list[nn.Module] = []
        for index in range(count):
            current = inputs if index == 0 else outputs
            layers += [
                nn.Conv2d(current, current, 3, padding=1, groups=current, bias=False),
                nn.Conv2d(current, outputs, 1),
                nn.GroupNorm(next(size for size in range(min(groups, outputs), 0, -1) if outputs % size == 0), outputs),
                nn.ReLU(inplace=True),
            ]
        super().__init__(*layers)


EDGE = 1e-3


class GreyLevels(nn.Module):
    """Reads one grey level g in 0..1 as classes at the levels k / (K - 1): the two next to g share the probability.

    The mean grey level of the probabilities is g, so the loss ``mse`` on grey levels compares g itself.
    """

    def __init__(self, network: nn.Module, classes: int) -> None:
        """Wrap a network with one output channel."""
        super().__init__()
        self.network = network
        self.classes = classes

    def forward(self, images: Tensor) -> Tensor:
        """Map images to logits (N, K, H, W)."""
        free = self.network(images).float() * (self.classes - 1)
        # Cut to just within the levels, but with the gradient of the uncut value: a sigmoid or a plain cut that
        # once ends at the first or the last level everywhere never learns again.
        scaled = free + (free.clamp(EDGE, self.classes - 1 - EDGE) - free).detach()
        levels = torch.arange(self.classes, device=images.device).reshape(1, -1, 1, 1)
        logits: Tensor = ((1 - (scaled - levels).abs()).clamp_min(0) + 1e-6).log()
        return logits
