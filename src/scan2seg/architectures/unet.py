"""U-Net (Ronneberger et al. 2015): over any encoder of segmentation_models_pytorch and timm, or plain."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from scan2seg.architectures.settings import DecoderSettings
from scan2seg.encoders.names import EncoderName
from scan2seg.encoders.settings import EncoderSettings

if TYPE_CHECKING:
    from torch import nn


class Params(EncoderSettings, DecoderSettings):
    """Settings of the U-Net."""

    encoder: EncoderName | None = "resnet18"
    """Name of an encoder, such as ``resnet50``, ``vgg16``, ``mobilenet_v2``, ``tu-xception65``; null: plain
    levels of two convolutions, each twice as wide as the one before."""
    depth: int | None = Field(None, ge=1, le=7)
    """How often the size is halved; null: 5 with an encoder (at most 5), 4 without."""
    width: int = Field(32, ge=1)
    """Channels of the first level of the plain network."""
    decoder_channels: list[int] | None = None
    """Channels of the decoder's levels, the deepest first, one a halving; null: 256, 128, 64, 32, 16 over an
    encoder, and the encoder's own widths in the plain network."""
    convolutions: int = Field(2, ge=1, le=5)
    """Convolutions in a level."""
    skips: Literal["plain", "res_path"] = "plain"
    """What lies on the skip connections: nothing, or residual paths of convolutions, longer the finer the level
    (Ibtehaz and Rahman 2020)."""
    supervised_levels: int = Field(1, ge=1, le=5)
    """How many decoder levels give an output in training (deep supervision); prediction uses the finest."""


def build(params: Params, channels: int, classes: int) -> "nn.Module":
    """Build the network; see the folder's contract."""
    from scan2seg.architectures.unet_family import build_unet

    return build_unet(params, channels, classes)
