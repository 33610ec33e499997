"""MA-Net (Fan et al. 2020): a U-Net with position and channel attention."""

from typing import TYPE_CHECKING

from pydantic import Field

from scan2seg.architectures.settings import OutputSettings
from scan2seg.encoders.names import EncoderName
from scan2seg.encoders.settings import EncoderSettings

if TYPE_CHECKING:
    from torch import nn


class Params(EncoderSettings, OutputSettings):
    """Settings of MA-Net."""

    encoder: EncoderName = "resnet18"
    """Name of an encoder."""
    decoder_channels: list[int] = Field([256, 128, 64, 32, 16], min_length=5, max_length=5)
    """Channels of the decoder's levels, deepest first."""
    attention_channels: int = Field(64, ge=1)
    """Channels of the position attention."""


def build(params: Params, channels: int, classes: int) -> "nn.Module":
    """Build the network; see the folder's contract."""
    from segmentation_models_pytorch.decoders.manet.decoder import MAnetDecoder

    from scan2seg.architectures.library import compose_smp

    def decoder(features: list[int]) -> "nn.Module":
        module: nn.Module = MAnetDecoder(
            encoder_channels=features,
            decoder_channels=params.decoder_channels,
            pab_channels=params.attention_channels,
        )
        return module

    return compose_smp(params, channels, classes, decoder, width=params.decoder_channels[-1], kernel=3)
