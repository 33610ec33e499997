"""SegFormer (Xie et al. 2021): a decoder of 1 x 1 convolutions over a transformer."""

from typing import TYPE_CHECKING

from pydantic import Field

from scan2seg.architectures.settings import OutputSettings
from scan2seg.encoders.names import EncoderName
from scan2seg.encoders.settings import EncoderSettings

if TYPE_CHECKING:
    from torch import nn


class Params(EncoderSettings, OutputSettings):
    """Settings of SegFormer."""

    encoder: EncoderName = "mit_b0"
    """Name of an encoder."""
    decoder_channels: int = Field(256, ge=1)
    """Channels of the decoder."""


def build(params: Params, channels: int, classes: int) -> "nn.Module":
    """Build the network; see the folder's contract."""
    from segmentation_models_pytorch.decoders.segformer.decoder import SegformerDecoder

    from scan2seg.architectures.library import compose_smp

    def decoder(features: list[int]) -> "nn.Module":
        module: nn.Module = SegformerDecoder(encoder_channels=features, segmentation_channels=params.decoder_channels)
        return module

    return compose_smp(params, channels, classes, decoder, width=params.decoder_channels)
