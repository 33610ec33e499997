"""MONAI's BasicUNet (after Falk et al. 2019): five levels of two convolutions."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from scan2seg.architectures.settings import OutputSettings

if TYPE_CHECKING:
    from torch import nn


class Params(OutputSettings):
    """Settings of BasicUNet."""

    features: list[int] = Field([32, 32, 64, 128, 256, 32], min_length=6, max_length=6)
    """Channels of the five levels, finest first, and of the last block."""
    normalisation: Literal["batch", "instance"] = "instance"
    """Normalisation after each convolution."""
    upsampling: Literal["deconv", "nontrainable"] = "deconv"
    """Transposed convolution, or interpolation and convolution."""
    dropout: float = Field(0.0, ge=0, lt=1)
    """Dropout in each block."""


def build(params: Params, channels: int, classes: int, dimensions: int = 2) -> "nn.Module":
    """Build the network, for images or for volumes; see the folder's contract."""
    from monai.networks.nets import BasicUNet

    from scan2seg.architectures.any_size import accept_any_size, head_channels

    network = BasicUNet(
        spatial_dims=dimensions,
        in_channels=channels,
        out_channels=head_channels(params.output, classes),
        features=params.features,
        norm=(params.normalisation, {"affine": True}),
        dropout=params.dropout,
        upsample=params.upsampling,
    )
    stride = 16
    return accept_any_size(network, channels, stride, params.output, dimensions)
