"""SPP-UNet: a ResNet, pyramid pooling of its deepest features, and the decoder of a U-Net."""

from typing import TYPE_CHECKING

from pydantic import Field

from scan2seg.architectures.settings import DecoderSettings
from scan2seg.encoders.names import EncoderName
from scan2seg.encoders.settings import EncoderSettings

if TYPE_CHECKING:
    from torch import nn


class Params(EncoderSettings, DecoderSettings):
    """Settings of SPP-UNet."""

    encoder: EncoderName = "resnet101"
    """Name of an encoder."""
    bins: list[int] = Field([1, 2, 3, 6], min_length=1)
    """Bins a side of the pyramid's levels."""
    decoder_channels: list[int] = Field([256, 128, 64, 32, 16], min_length=5, max_length=5)
    """Channels of the decoder's levels, deepest first."""


def build(params: Params, channels: int, classes: int) -> "nn.Module":
    """Build the network; see the folder's contract."""
    from torch import nn

    from scan2seg.architectures.any_size import accept_any_size, head_channels
    from scan2seg.architectures.blocks import EncoderDecoder, Style, initialise_new
    from scan2seg.architectures.published_blocks import PyramidPooling
    from scan2seg.architectures.unet_family import decoder_levels
    from scan2seg.encoders.build import build_encoder

    encoder, features = build_encoder(params, channels)
    pyramid = PyramidPooling(features[-1], params.bins)
    inputs = [*features[:-1], pyramid.outputs]
    levels = decoder_levels(inputs, params.decoder_channels, Style.of(params), params.upsampling, 2)
    head = nn.Conv2d(params.decoder_channels[-1], head_channels(params.output, classes), 1)
    initialise_new(params, encoder, pyramid, *levels, head)
    network = EncoderDecoder(encoder, pyramid, levels, head)
    return accept_any_size(network, channels, 32, params.output)
