"""DPT (Ranftl et al. 2021): dense prediction from the tokens of a vision transformer."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from scan2seg.architectures.settings import OutputSettings
from scan2seg.encoders.names import EncoderName
from scan2seg.encoders.settings import EncoderSettings

if TYPE_CHECKING:
    from torch import nn


class Params(EncoderSettings, OutputSettings):
    """Settings of DPT."""

    encoder: EncoderName = Field("tu-vit_tiny_patch16_224", pattern="^tu-")
    """Name of a vision transformer of timm, ``tu-`` before it."""
    readout: Literal["cat", "add", "ignore"] = "cat"
    """What is done with the tokens that are no patch."""
    intermediate_channels: list[int] = Field([96, 192, 384, 384], min_length=4, max_length=4)
    """Channels of the four reassembled levels, finest first."""
    fusion_channels: int = Field(128, ge=1)
    """Channels of the fusion blocks."""


def build(params: Params, channels: int, classes: int) -> "nn.Module":
    """Build the network; see the folder's contract."""
    from scan2seg.architectures.transformers import build_dpt

    return build_dpt(params, channels, classes)
