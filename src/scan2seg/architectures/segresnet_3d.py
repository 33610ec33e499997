"""SegResNet (Myronenko 2018) over volumes (N, C, D, H, W)."""

from typing import TYPE_CHECKING

from scan2seg.architectures import segresnet

if TYPE_CHECKING:
    from torch import nn


DIMENSIONS = 3


class Params(segresnet.Params):
    """Settings of SegResNet over volumes."""


def build(params: Params, channels: int, classes: int) -> "nn.Module":
    """Build the network; see the folder's contract."""
    return segresnet.build(params, channels, classes, DIMENSIONS)
