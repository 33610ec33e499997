"""SPP: a ResNet, pyramid pooling of its deepest features, and one upsampling."""

from typing import TYPE_CHECKING

from pydantic import Field

from scan2seg.architectures.settings import OutputSettings
from scan2seg.encoders.names import EncoderName
from scan2seg.encoders.settings import EncoderSettings

if TYPE_CHECKING:
    from torch import nn


class Params(EncoderSettings, OutputSettings):
    """Settings of SPP."""

    encoder: EncoderName = "resnet101"
    """Name of an encoder."""
    bins: list[int] = Field([1, 2, 3, 6], min_length=1)
    """Bins a side of the pyramid's levels."""
    channels: int = Field(256, ge=1)
    """Channels after the pyramid."""


def build(params: Params, channels: int, classes: int) -> "nn.Module":
    """Build the network; see the folder's contract."""
    from torch import nn

    from scan2seg.architectures.blocks import Convolutions, Style
    from scan2seg.architectures.library import Deepest, compose_smp
    from scan2seg.architectures.published_blocks import PyramidPooling

    def decoder(features: list[int]) -> nn.Module:
        pyramid = PyramidPooling(features[-1], params.bins)
        return Deepest(nn.Sequential(pyramid, Convolutions(pyramid.outputs, params.channels, Style(), 1)))

    return compose_smp(params, channels, classes, decoder, width=params.channels)
