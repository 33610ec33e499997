"""DRN-A-18 (Yu et al. 2017): ResNet-18 whose last two stages are dilated instead of strided, and one upsampling."""

from typing import TYPE_CHECKING

from scan2seg.architectures.settings import OutputSettings
from scan2seg.encoders.names import EncoderName
from scan2seg.encoders.settings import EncoderSettings

if TYPE_CHECKING:
    from torch import nn


class Params(EncoderSettings, OutputSettings):
    """Settings of DRN-A-18; the features are an eighth of the image's size."""

    encoder: EncoderName = "resnet18"
    """Name of an encoder that can be dilated."""


def build(params: Params, channels: int, classes: int) -> "nn.Module":
    """Build the network; see the folder's contract."""
    from torch import nn

    from scan2seg.architectures.library import Deepest, compose_smp

    def decoder(features: list[int]) -> nn.Module:
        return Deepest(nn.Identity(), features[-1])

    return compose_smp(params, channels, classes, decoder, output_stride=8)
