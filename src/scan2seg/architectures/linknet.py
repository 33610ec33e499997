"""LinkNet (Chaurasia and Culurciello 2017): a light decoder with additive skips."""

from typing import TYPE_CHECKING

from pydantic import Field

from scan2seg.architectures.settings import OutputSettings
from scan2seg.encoders.names import EncoderName
from scan2seg.encoders.settings import EncoderSettings

if TYPE_CHECKING:
    from torch import nn


class Params(EncoderSettings, OutputSettings):
    """Settings of LinkNet."""

    encoder: EncoderName = "resnet18"
    """Name of an encoder."""
    prefinal_channels: int = Field(32, ge=1)
    """Channels before the last convolution."""


def build(params: Params, channels: int, classes: int) -> "nn.Module":
    """Build the network; see the folder's contract."""
    from segmentation_models_pytorch.decoders.linknet.decoder import LinknetDecoder

    from scan2seg.architectures.library import compose_smp

    def decoder(features: list[int]) -> "nn.Module":
        module: nn.Module = LinknetDecoder(encoder_channels=features, prefinal_channels=params.prefinal_channels)
        return module

    return compose_smp(params, channels, classes, decoder, width=params.prefinal_channels)
