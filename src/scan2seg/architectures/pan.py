"""PAN (Li et al. 2018): pyramid attention over a dilated encoder."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from scan2seg.architectures.settings import OutputSettings
from scan2seg.encoders.names import EncoderName
from scan2seg.encoders.settings import EncoderSettings

if TYPE_CHECKING:
    from torch import nn


class Params(EncoderSettings, OutputSettings):
    """Settings of PAN."""

    encoder: EncoderName = "resnet18"
    """Name of an encoder."""
    output_stride: Literal[16, 32] = 16
    """How much coarser than the image the encoder's deepest features are."""
    decoder_channels: int = Field(32, ge=1)
    """Channels of the decoder."""


def build(params: Params, channels: int, classes: int) -> "nn.Module":
    """Build the network; see the folder's contract."""
    from segmentation_models_pytorch.decoders.pan.decoder import PANDecoder

    from scan2seg.architectures.library import compose_smp

    def decoder(features: list[int]) -> "nn.Module":
        module: nn.Module = PANDecoder(
            encoder_channels=features, encoder_depth=5, decoder_channels=params.decoder_channels
        )
        return module

    return compose_smp(
        params, channels, classes, decoder, width=params.decoder_channels, output_stride=params.output_stride, kernel=3
    )
