"""Attention U-Net (Oktay et al. 2018): attention gates on the skip connections."""

from typing import TYPE_CHECKING

from pydantic import Field

from scan2seg.architectures.settings import OutputSettings

if TYPE_CHECKING:
    from torch import nn


class Params(OutputSettings):
    """Settings of Attention U-Net."""

    channels: list[int] = Field([32, 64, 128, 256, 512], min_length=2, max_length=7)
    """Channels of the levels, finest first; each level halves the size."""
    dropout: float = Field(0.0, ge=0, lt=1)
    """Dropout in each block."""


def build(params: Params, channels: int, classes: int) -> "nn.Module":
    """Build the network; see the folder's contract."""
    from monai.networks.nets import AttentionUnet

    from scan2seg.architectures.any_size import accept_any_size, head_channels

    network = AttentionUnet(
        spatial_dims=2,
        in_channels=channels,
        out_channels=head_channels(params.output, classes),
        channels=params.channels,
        strides=[2] * (len(params.channels) - 1),
        dropout=params.dropout,
    )
    stride = 2 ** (len(params.channels) - 1)
    return accept_any_size(network, channels, stride, params.output)
