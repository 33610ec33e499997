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


class StandardisedConvolution(nn.Conv2d):
    """A convolution whose weights have mean 0 and deviation 1 in each filter (Qiao et al. 2019, arXiv:1903.10520)."""

    def forward(self, input: Tensor) -> Tensor:
        """Convolve (N, C, H, W)."""
        deviation, mean = torch.std_mean(self.weight, dim=(1, 2, 3), keepdim=True)
        result: Tensor = self._conv_forward(input, (self.weight - mean) / (deviation + 1e-5), self.bias)
        return result


def separable(inputs: int, outputs: int) -> list[nn.Module]:
    """Return a standardised depthwise 3 x 3 convolution, a pointwise one, and ReLU."""
    depthwise = StandardisedConvolution(inputs, inputs, 3, padding=1, groups=inputs, bias=False)
    return [depthwise, nn.Conv2d(inputs, outputs, 1), nn.ReLU(inplace=True)]


def group_norm(channels: int, groups: int) -> nn.GroupNorm:
    """Normalise in at most so many groups, fewer where the channels do not divide."""
    return nn.GroupNorm(next(size for size in range(min(groups, channels), 0, -1) if channels % size == 0), channels)


class SeparableBlock(nn.Sequential):
    """The block of SD-UNet: two separable convolutions and one group normalisation."""

    def __init__(self, inputs: int, outputs: int, groups: int) -> None:
        """Make a block from ``inputs`` to ``outputs`` channels."""
        super().__init__(*separable(inputs, outputs), *separable(outputs, outputs), group_norm(outputs, groups))


def transposed(inputs: int, outputs: int, style: Style) -> list[nn.Module]:
    """Return a transposed 3 x 3 convolution that keeps the size, and what follows it."""
    return [nn.ConvTranspose2d(inputs, outputs, 3, padding=1), style.normalise(outputs), style.activate()]


class DenseBottleneck(nn.Module):
    """XLearn's: one channel, three dense layers with dropout over the whole patch, and back to channels.

    Args:
        inputs: channels of the deepest features.
        side: their height and width.
        outputs: channels that it gives; half as many after the first convolution.
        style: of the convolutions that give them.
    """

    def __init__(self, inputs: int, side: int, outputs: int, style: Style) -> None:
        """Build the layers: half as many units as places, twice, and one a place."""
        super().__init__()
        places = side * side
        hidden = places // 2
        normalised = style.normalisation == "batch"
        squeeze = [nn.Conv2d(inputs, 1, 3, padding=1), style.normalise(1), nn.ReLU(inplace=True), nn.Flatten()]
        self.squeeze = nn.Sequential(*squeeze)
        dense: list[nn.Module] = []
        for before, after, rate in ((places, hidden, 0.2), (hidden, hidden, 0.25), (hidden, places, 0.25)):
            norm = nn.BatchNorm1d(after) if normalised else nn.Identity()
            dense += [nn.Linear(before, after), norm, nn.ReLU(inplace=True), nn.Dropout(rate)]
        self.dense = nn.Sequential(*dense, nn.Unflatten(1, (1, side, side)))
        self.spread = nn.Sequential(*transposed(1, outputs // 2, style), *transposed(outputs // 2, outputs, style))

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, inputs, side, side) to (N, outputs, side, side)."""
        result: Tensor = self.spread(self.dense(self.squeeze(features)))
        return result


class PatchByPatch(nn.Module):
    """Applies a network of one image size to every patch of a larger image, side by side."""

    def __init__(self, network: nn.Module, size: int) -> None:
        """Wrap a network on (N, C, size, size) that keeps height and width."""
        super().__init__()
        self.network = network
        self.size = size

    def forward(self, images: Tensor) -> Tensor:
        """Map (N, C, a size, b size) to (N, C', a size, b size)."""
        count, channels, height, width = images.shape
        rows, columns = height // self.size, width // self.size
        cut = images.reshape(count, channels, rows, self.size, columns, self.size).permute(0, 2, 4, 1, 3, 5)
        found: Tensor = self.network(cut.flatten(0, 2))
        joined = found.reshape(count, rows, columns, -1, self.size, self.size).permute(0, 3, 1, 4, 2, 5)
        return joined.reshape(count, -1, height, width)


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
