"""PSPNet (Zhao et al. 2017): pyramid pooling to 1, 2, 3 and 6 bins a side."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from scan2seg.architectures.settings import OutputSettings
from scan2seg.encoders.names import EncoderName
from scan2seg.encoders.settings import EncoderSettings

if TYPE_CHECKING:
    from torch import nn


class Params(EncoderSettings, OutputSettings):
    """Settings of PSPNet."""

    encoder: EncoderName = "resnet18"
    """Name of an encoder."""
    depth: int = Field(5, ge=2, le=5)
    """How many stages of the encoder are used; all of them as published. 3 drops the last two, as common libraries do:
    another and much smaller network."""
    output_stride: Literal[8, 16, 32] = 8
    """Beyond which the encoder is dilated instead of halved; 8 as published."""
    decoder_channels: int = Field(512, ge=1)
    """Channels after the pyramid."""
    dropout: float = Field(0.2, ge=0, lt=1)
    """Dropout after the pyramid."""


def build(params: Params, channels: int, classes: int) -> "nn.Module":
    """Build the network; see the folder's contract."""
    from segmentation_models_pytorch.decoders.pspnet.decoder import PSPDecoder

    from scan2seg.architectures.library import compose_smp

    def decoder(features: list[int]) -> "nn.Module":
        module: nn.Module = PSPDecoder(
            encoder_channels=features, out_channels=params.decoder_channels, dropout=params.dropout
        )
        return module

    return compose_smp(
        params,
        channels,
        classes,
        decoder,
        width=params.decoder_channels,
        depth=params.depth,
        output_stride=params.output_stride,
        kernel=3,
    )
