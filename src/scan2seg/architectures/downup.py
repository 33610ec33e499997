"""DownUp: convolutions and max-pooling down, transposed convolutions and upsampling back; no skips."""

from itertools import pairwise
from typing import TYPE_CHECKING

from pydantic import Field

from scan2seg.architectures.settings import DecoderSettings, Normalisation

if TYPE_CHECKING:
    from torch import nn


class Params(DecoderSettings):
    """Settings of DownUp."""

    widths: list[int] = Field([32, 64, 128, 212], min_length=2, max_length=7)
    """Channels of the levels, finest first; 212 at an eighth of the size as published."""
    normalisation: Normalisation = "none"
    """Normalisation after each convolution; the published network has none."""


def build(params: Params, channels: int, classes: int) -> "nn.Module":
    """Build the network: 2 convolutions, 3 times [halving, 3 convolutions], and all of it mirrored."""
    from torch import nn

    from scan2seg.architectures.any_size import accept_any_size, head_channels
    from scan2seg.architectures.blocks import Convolutions, Style, initialise, upsample
    from scan2seg.architectures.published_blocks import transposed

    style = Style.of(params)
    layers: list[nn.Module] = [Convolutions(channels, params.widths[0], style, 2)]
    for inputs, outputs in pairwise(params.widths):
        layers += [nn.MaxPool2d(2), Convolutions(inputs, outputs, style, 3)]
    for inputs, outputs in pairwise(params.widths[::-1]):
        layers += [*transposed(inputs, inputs, style), *transposed(inputs, inputs, style)]
        layers += [*transposed(inputs, outputs, style), upsample(params.upsampling, outputs, outputs), style.drop()]
    finest = params.widths[0]
    layers += [*transposed(finest, finest, style), *transposed(finest, finest, style)]
    layers.append(nn.Conv2d(params.widths[0], head_channels(params.output, classes), 1))
    network = initialise(nn.Sequential(*layers), params.initialisation)
    stride = 2 ** (len(params.widths) - 1)
    return accept_any_size(network, channels, stride, params.output)
