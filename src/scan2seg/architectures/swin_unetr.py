"""Swin UNETR (Hatamizadeh et al. 2022): a windowed transformer with a convolutional decoder."""

from typing import TYPE_CHECKING

from pydantic import Field

from scan2seg.architectures.settings import OutputSettings
from scan2seg.errors import InputError

if TYPE_CHECKING:
    from torch import nn


class Params(OutputSettings):
    """Settings of Swin UNETR."""

    feature_size: int = Field(24, ge=12, multiple_of=12)
    """Channels of the first level, a multiple of 12."""
    depths: list[int] = Field([2, 2, 2, 2], min_length=4, max_length=4)
    """Transformer blocks in each of the four levels."""
    heads: list[int] = Field([3, 6, 12, 24], min_length=4, max_length=4)
    """Attention heads in each level."""
    window: int = Field(7, ge=2)
    """Side of the windows."""
    dropout: float = Field(0.0, ge=0, lt=1)
    """Dropout after the attention and in the perceptrons."""


def build(params: Params, channels: int, classes: int) -> "nn.Module":
    """Build the network; see the folder's contract."""
    import importlib.util

    from monai.networks.nets import SwinUNETR

    from scan2seg.architectures.any_size import accept_any_size, head_channels

    if importlib.util.find_spec("einops") is None:
        raise InputError("architecture: swin_unetr needs the package einops; install it, or choose another")
    network = SwinUNETR(
        spatial_dims=2,
        in_channels=channels,
        out_channels=head_channels(params.output, classes),
        feature_size=params.feature_size,
        depths=params.depths,
        num_heads=params.heads,
        window_size=params.window,
        drop_rate=params.dropout,
    )
    stride = 32
    return accept_any_size(network, channels, stride, params.output)
