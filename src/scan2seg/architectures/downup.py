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
    """Build the network; see the folder's contract."""
    from torch import nn

    from scan2seg.architectures.any_size import AnySize, head_channels, least_size
    from scan2seg.architectures.blocks import Convolutions, Style, initialise, upsample

    style = Style.of(params)
    layers: list[nn.Module] = [Convolutions(channels, params.widths[0], style, 2)]
    for inputs, outputs in pairwise(params.widths):
        layers += [nn.MaxPool2d(2), Convolutions(inputs, outputs, style, 3), style.drop()]
    for inputs, outputs in pairwise(params.widths[::-1]):
        layers.append(upsample(params.upsampling, inputs, inputs))
        for index in range(3):
            layers += [
                nn.ConvTranspose2d(inputs if index == 0 else outputs, outputs, 3, padding=1),
                style.normalise(outputs),
                style.activate(),
            ]
    layers.append(nn.Conv2d(params.widths[0], head_channels(params.output, classes), 1))
    network = initialise(nn.Sequential(*layers), params.initialisation)
    stride = 2 ** (len(params.widths) - 1)
    return AnySize(network, stride, least_size(network, channels, stride), sigmoid=params.output == "sigmoid")
