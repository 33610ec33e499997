"""Building blocks of our own networks; images are (N, C, H, W) throughout."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

_ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
}


@dataclass(frozen=True)
class Style:
    """What the convolutions of a network share; the values are those of ``settings``."""

    normalisation: str = "batch"
    activation: str = "relu"
    padding: str = "zeros"
    dropout: float = 0.0

    @classmethod
    def of(cls, settings: Any) -> "Style":
        """Take the style from a ``DecoderSettings``."""
        return cls(settings.normalisation, settings.activation, settings.padding, settings.dropout)

    def convolution(self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1, bias: bool = True) -> nn.Conv2d:
        """Return a convolution that keeps the size at stride 1."""
        if kernel == 1 and stride > 1:
            return StridedPointwise(inputs, outputs, stride, bias)
        padding = kernel // 2
        mode = self.padding if padding else "zeros"
        return nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=bias, padding_mode=cast(Any, mode))

    def normalise(self, channels: int) -> nn.Module:
        """Return a normalisation layer."""
        if self.normalisation == "batch":
            return nn.BatchNorm2d(channels)
        if self.normalisation == "instance":
            return nn.InstanceNorm2d(channels, affine=True)
        return nn.Identity()

    def activate(self, inplace: bool = True) -> nn.Module:
        """Return an activation layer; in place only where nothing else reads its input."""
        layer = _ACTIVATIONS[self.activation]()
        if hasattr(layer, "inplace"):
            setattr(layer, "inplace", inplace)  # noqa: B010
        return layer

    def drop(self) -> nn.Module:
        """Return a dropout layer."""
        return nn.Dropout2d(self.dropout) if self.dropout else nn.Identity()


class StridedPointwise(nn.Conv2d):
    """A 1 x 1 convolution of every so many-th row and column: what ``nn.Conv2d`` with a stride computes.

    The stride is taken from the image first. With it inside the convolution, torch 2.15 on processors with AVX512_BF16
    writes beyond its memory in training, where images are channels-last and have fewer than 16 channels.
    """

    def __init__(self, inputs: int, outputs: int, stride: int, bias: bool = True) -> None:
        """Make a convolution from ``inputs`` to ``outputs`` channels; parameters are those of ``nn.Conv2d``."""
        super().__init__(inputs, outputs, 1, bias=bias)
        self.step = stride

    def forward(self, input: Tensor) -> Tensor:
        """Map (N, inputs, H, W) to (N, outputs, H / stride, W / stride), rounded up."""
        return super().forward(input[:, :, :: self.step, :: self.step])


class Convolutions(nn.Sequential):
    """Convolution, normalisation, activation; repeated."""

    def __init__(self, inputs: int, outputs: int, style: Style, count: int = 2, kernel: int = 3) -> None:
        """Make ``count`` convolutions from ``inputs`` to ``outputs`` channels."""
        layers: list[nn.Module] = []
        for index in range(count):
            bias = style.normalisation == "none"
            layers += [
                style.convolution(inputs if index == 0 else outputs, outputs, kernel, bias=bias),
                style.normalise(outputs),
                style.activate(),
            ]
        super().__init__(*layers)


class PreActivationResidual(nn.Module):
    """Normalise, activate, convolve, twice, plus a normalised 1 x 1 convolution of the input.

    He et al., "Identity mappings in deep residual networks", 2016; Zhang et al., "Road extraction by deep residual
    U-Net", 2018. The first block of a network (``stem``) convolves the image itself first.
    """

    def __init__(self, inputs: int, outputs: int, style: Style, stride: int = 1, stem: bool = False) -> None:
        """Make a block from ``inputs`` to ``outputs`` channels that divides the size by ``stride``."""
        super().__init__()
        before = [] if stem else [style.normalise(inputs), style.activate(inplace=False)]
        self.residual = nn.Sequential(
            *before,
            style.convolution(inputs, outputs, stride=stride),
            style.normalise(outputs),
            style.activate(),
            style.convolution(outputs, outputs),
        )
        self.shortcut = nn.Sequential(style.convolution(inputs, outputs, 1, stride), style.normalise(outputs))

    def forward(self, images: Tensor) -> Tensor:
        """Map (N, inputs, H, W) to (N, outputs, H / stride, W / stride)."""
        result: Tensor = self.shortcut(images) + self.residual(images)
        return result


def upsample(kind: str, inputs: int, outputs: int) -> nn.Module:
    """Return a layer that doubles the size; only ``transposed`` changes the channels from inputs to outputs."""
    if kind == "transposed":
        return nn.ConvTranspose2d(inputs, outputs, 2, 2)
    return nn.Upsample(scale_factor=2, mode=kind, align_corners=False if kind == "bilinear" else None)


class DecoderLevel(nn.Module):
    """Double the size, merge the skip connection, convolve."""

    def __init__(self, up: nn.Module, block: nn.Module, *, merge: str = "concatenate", skip: nn.Module | None = None):
        """Compose a level.

        Args:
            up: doubles height and width.
            block: what follows the merge.
            merge: ``concatenate``, ``add`` (both sides have equal channels) or ``none``.
            skip: is applied to the skip connection before the merge.
        """
        super().__init__()
        self.up = up
        self.block = block
        self.merge = merge
        self.skip = skip or nn.Identity()

    def forward(self, images: Tensor, skip: Tensor | None) -> Tensor:
        """Map (N, C, h, w) and a skip connection (N, S, 2h, 2w) to (N, C', 2h, 2w)."""
        images = self.up(images)
        if skip is not None and self.merge != "none":
            skip = self.skip(skip)
            images = torch.cat([images, skip], 1) if self.merge == "concatenate" else images + skip
        result: Tensor = self.block(images)
        return result


class EncoderDecoder(nn.Module):
    """Features at falling resolution, a bridge, and decoder levels that climb back; the shape of every U-Net.

    Args:
        encoder: images -> list of features, each half the size of the one before.
        bridge: is applied to the deepest features.
        levels: from the deepest upwards; the last may lie above the first features and then has no skip. There may be
            fewer than features.
        head: the last layer; its output is resized to the image by ``AnySize``.
        extra_heads: for the outputs of the levels before the last, nearest first; used in train mode only.
    """

    def __init__(
        self,
        encoder: nn.Module,
        bridge: nn.Module,
        levels: Sequence[nn.Module],
        head: nn.Module,
        extra_heads: Sequence[nn.Module] = (),
    ) -> None:
        """Compose the network."""
        super().__init__()
        self.encoder = encoder
        self.bridge = bridge
        self.levels = nn.ModuleList(levels)
        self.head = head
        self.extra_heads = nn.ModuleList(extra_heads)

    def forward(self, images: Tensor) -> Tensor | list[Tensor]:
        """Map images to logits; with extra heads in train mode to a list, the finest first."""
        features: list[Tensor] = self.encoder(images)
        skips: list[Tensor | None] = [*features[:-1][::-1]]
        skips += [None] * (len(self.levels) - len(skips))
        current = self.bridge(features[-1])
        outputs = []
        for level, skip in zip(self.levels, skips, strict=False):
            current = level(current, skip)
            outputs.append(current)
        logits: Tensor = self.head(current)
        if not (self.training and self.extra_heads):
            return logits
        return [logits, *(head(output) for head, output in zip(self.extra_heads, outputs[-2::-1], strict=False))]


class Stages(nn.Module):
    """An encoder made of stages: the list of their outputs, finest first."""

    def __init__(self, stages: Sequence[nn.Module]) -> None:
        """Chain the stages; each but the first halves the size."""
        super().__init__()
        self.stages = nn.ModuleList(stages)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return every stage's output."""
        features = []
        for stage in self.stages:
            images = stage(images)
            features.append(images)
        return features


def initialise_new(params: Any, encoder: nn.Module, *parts: nn.Module) -> None:
    """Initialise, as the settings say, everything that no weights were loaded into: the encoder too if it has none."""
    fresh = params.encoder is None or params.pretrained == "none"
    for part in [*parts, encoder] if fresh else parts:
        initialise(part, params.initialisation)


def initialise(network: nn.Module, how: str) -> nn.Module:
    """Set the weights of all convolutions anew, in place, by one of ``settings.Initialisation``; biases become 0."""
    if how == "default":
        return network
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Conv3d | nn.ConvTranspose3d):
            if how == "normal":
                nn.init.normal_(module.weight, 0.0, 0.01)
            elif how == "glorot":
                nn.init.xavier_uniform_(module.weight)
            else:
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return network
