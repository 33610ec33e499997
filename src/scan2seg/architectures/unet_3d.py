"""3-D U-Net (Çiçek et al. 2016): MONAI's BasicUNet over volumes (N, C, D, H, W)."""

from typing import TYPE_CHECKING

from scan2seg.architectures import basic_unet

if TYPE_CHECKING:
    from torch import nn


DIMENSIONS = 3


class Params(basic_unet.Params):
    """Settings of the 3-D U-Net."""


def build(params: Params, channels: int, classes: int) -> "nn.Module":
    """Build the network; see the folder's contract."""
    return basic_unet.build(params, channels, classes, DIMENSIONS)
