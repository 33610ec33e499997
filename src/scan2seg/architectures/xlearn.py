"""The baseline U-Net of XLearn: plain convolutions to one grey level, trained by ``mse`` on grey levels."""

from typing import TYPE_CHECKING

from pydantic import Field

from scan2seg.config.base import Settings

if TYPE_CHECKING:
    from torch import nn


class Params(Settings):
    """Settings of the baseline."""

    width: int = Field(32, ge=1)
    """Channels of the first level; the following have twice, twice and four times as many."""


def build(params: Params, channels: int, classes: int) -> "nn.Module":
    """Build the network; see the folder's contract. Class k stands at the grey level k / (K - 1)."""
    from torch import nn

    from scan2seg.architectures.any_size import AnySize
    from scan2seg.architectures.blocks import EncoderDecoder, Style
    from scan2seg.architectures.published_blocks import GreyLevels
    from scan2seg.architectures.unet_family import decoder_levels, plain_encoder

    style = Style(normalisation="none")
    widths = [params.width * factor for factor in (1, 2, 2, 4)]
    levels = decoder_levels(widths, widths[-2::-1], style, "nearest", 2)
    network = EncoderDecoder(
        plain_encoder(channels, widths, style, 2), nn.Identity(), levels, nn.Conv2d(params.width, 1, 1)
    )
    return AnySize(GreyLevels(network, classes), 8)
