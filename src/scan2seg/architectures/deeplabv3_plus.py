"""DeepLab v3+ (Chen et al. 2018): atrous spatial pyramid pooling and a light decoder over a dilated encoder."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from scan2seg.architectures.settings import OutputSettings
from scan2seg.encoders.names import EncoderName
from scan2seg.encoders.settings import EncoderSettings

if TYPE_CHECKING:
    from torch import nn


class Params(EncoderSettings, OutputSettings):
    """Settings of DeepLab v3+."""

    encoder: EncoderName = "resnet18"
    """Name of an encoder; the paper's aligned Xception is ``tu-xception65``."""
    output_stride: Literal[8, 16] = 16
    """How much coarser than the image the encoder's deepest features are."""
    decoder_channels: int = Field(256, ge=1)
    """Channels of the pyramid and of the decoder."""
    atrous_rates: list[int] = Field([12, 24, 36], min_length=3, max_length=3)
    """Dilations of the pyramid's three convolutions: the library's; the paper has 6, 12, 18 at a stride of 16."""
    dropout: float = Field(0.5, ge=0, lt=1)
    """Dropout after the pyramid."""


def build(params: Params, channels: int, classes: int) -> "nn.Module":
    """Build the network; see the folder's contract."""
    from segmentation_models_pytorch.decoders.deeplabv3.decoder import DeepLabV3PlusDecoder

    from scan2seg.architectures.library import compose_smp

    def decoder(features: list[int]) -> "nn.Module":
        module: nn.Module = DeepLabV3PlusDecoder(
            encoder_channels=features,
            encoder_depth=5,
            out_channels=params.decoder_channels,
            atrous_rates=params.atrous_rates,
            output_stride=params.output_stride,
            aspp_separable=True,
            aspp_dropout=params.dropout,
        )
        return module

    return compose_smp(
        params, channels, classes, decoder, width=params.decoder_channels, output_stride=params.output_stride
    )
