"""FPN (Kirillov et al. 2017): feature pyramid, summed or joined at a quarter of the size."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from scan2seg.architectures.settings import OutputSettings
from scan2seg.encoders.names import EncoderName
from scan2seg.encoders.settings import EncoderSettings

if TYPE_CHECKING:
    from torch import nn


class Params(EncoderSettings, OutputSettings):
    """Settings of the feature pyramid network."""

    encoder: EncoderName = "resnet18"
    """Name of an encoder."""
    pyramid_channels: int = Field(256, ge=1)
    """Channels of the pyramid."""
    segmentation_channels: int = Field(128, ge=32, multiple_of=32)
    """Channels of each level before the merge, a multiple of 32 for its group normalisation."""
    merge: Literal["add", "cat"] = "add"
    """How the levels are merged."""
    dropout: float = Field(0.2, ge=0, lt=1)
    """Dropout after the merge."""


def build(params: Params, channels: int, classes: int) -> "nn.Module":
    """Build the network; see the folder's contract."""
    from segmentation_models_pytorch.decoders.fpn.decoder import FPNDecoder

    from scan2seg.architectures.library import compose_smp

    def decoder(features: list[int]) -> "nn.Module":
        module: nn.Module = FPNDecoder(
            encoder_channels=features,
            pyramid_channels=params.pyramid_channels,
            segmentation_channels=params.segmentation_channels,
            dropout=params.dropout,
            merge_policy=params.merge,
        )
        return module

    return compose_smp(params, channels, classes, decoder)
