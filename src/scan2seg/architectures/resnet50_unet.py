"""ResNet50-UNet: a residual encoder, additive skips, and a decoder that is its inverse but deeper."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from scan2seg.architectures.settings import DecoderSettings
from scan2seg.encoders.names import EncoderName
from scan2seg.encoders.settings import EncoderSettings

if TYPE_CHECKING:
    from torch import nn


class Params(EncoderSettings, DecoderSettings):
    """Settings of ResNet50-UNet."""

    encoder: EncoderName = "resnet50"
    """Name of an encoder. The published network freezes all but its last block: ``freeze: [1, 2, 3, 4]``."""
    skips: Literal["add", "concatenate"] = "add"
    """How the skip connections are merged; ``add`` as published."""
    convolutions: int = Field(3, ge=1, le=6)
    """Convolutions in a level of the decoder, each followed by normalisation and activation."""
    last_channels: int = Field(32, ge=1)
    """Channels of the last level, at the image's own size."""


def build(params: Params, channels: int, classes: int) -> "nn.Module":
    """Build the network; see the folder's contract. A level of the decoder is as wide as the skip that it meets."""
    from torch import nn

    from scan2seg.architectures.any_size import accept_any_size, head_channels
    from scan2seg.architectures.blocks import (
        Convolutions,
        DecoderLevel,
        EncoderDecoder,
        Style,
        initialise_new,
        upsample,
    )
    from scan2seg.encoders.build import build_encoder

    style = Style.of(params)
    encoder, features = build_encoder(params, channels)
    levels = []
    current = features[-1]
    for skip in features[-2::-1]:
        width = skip or params.last_channels
        up = upsample(params.upsampling, current, width)
        if params.upsampling != "transposed":
            up = nn.Sequential(up, style.convolution(current, width, 1))
        joined = width + skip if params.skips == "concatenate" else width
        block = nn.Sequential(style.drop(), Convolutions(joined, width, style, params.convolutions))
        levels.append(DecoderLevel(up, block, merge=params.skips if skip else "none"))
        current = width
    head = nn.Conv2d(current, head_channels(params.output, classes), 1)
    initialise_new(params, encoder, *levels, head)
    network = EncoderDecoder(encoder, nn.Identity(), levels, head)
    return accept_any_size(network, channels, 32, params.output)
