"""UPerNet (Xiao et al. 2018): pyramid pooling and a feature pyramid."""

from typing import TYPE_CHECKING

from pydantic import Field

from scan2seg.architectures.settings import OutputSettings
from scan2seg.encoders.names import EncoderName
from scan2seg.encoders.settings import EncoderSettings

if TYPE_CHECKING:
    from torch import nn


class Params(EncoderSettings, OutputSettings):
    """Settings of UPerNet."""

    encoder: EncoderName = "resnet18"
    """Name of an encoder."""
    decoder_channels: int = Field(256, ge=1)
    """Channels of the decoder."""


def build(params: Params, channels: int, classes: int) -> "nn.Module":
    """Build the network; see the folder's contract."""
    from segmentation_models_pytorch.decoders.upernet.decoder import UPerNetDecoder

    from scan2seg.architectures.library import compose_smp

    def decoder(features: list[int]) -> "nn.Module":
        module: nn.Module = UPerNetDecoder(encoder_channels=features, decoder_channels=params.decoder_channels)
        return module

    return compose_smp(params, channels, classes, decoder, width=params.decoder_channels)
