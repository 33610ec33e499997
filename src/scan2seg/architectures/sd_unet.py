"""SD-UNet (Gadosey et al. 2020): a U-Net stripped down to depthwise separable convolutions, for small computers."""

from itertools import pairwise
from typing import TYPE_CHECKING

from pydantic import Field

from scan2seg.architectures.settings import OutputSettings, Upsampling

if TYPE_CHECKING:
    from torch import nn


class Params(OutputSettings):
    """Settings of SD-UNet."""

    width: int = Field(64, ge=1)
    """Channels of the first level; each further level has twice as many."""
    depth: int = Field(4, ge=1, le=7)
    """How often the size is halved."""
    groups: int = Field(8, ge=1)
    """Groups of the normalisation, fewer where the channels do not divide."""
    dropout: float = Field(0.5, ge=0, lt=1)
    """Dropout of whole channels before the last halving, as published."""
    upsampling: Upsampling = "nearest"
    """How the decoder doubles the resolution, before a separable convolution."""


def build(params: Params, channels: int, classes: int) -> "nn.Module":
    """Build the network; see the folder's contract. Every convolution but the first and the last is separable."""
    from torch import nn

    from scan2seg.architectures.any_size import accept_any_size, head_channels
    from scan2seg.architectures.blocks import DecoderLevel, EncoderDecoder, Stages, upsample
    from scan2seg.architectures.published_blocks import SeparableBlock, group_norm, separable

    widths = [params.width * 2**level for level in range(params.depth + 1)]
    first = [nn.Conv2d(channels, widths[0], 3, padding=1), nn.ReLU(inplace=True), group_norm(widths[0], params.groups)]
    stages = [nn.Sequential(*first)]
    for inputs, outputs in pairwise(widths):
        stages.append(nn.Sequential(nn.MaxPool2d(2), SeparableBlock(inputs, outputs, params.groups)))
    stages[-2].append(nn.Dropout2d(params.dropout))
    levels = []
    for inputs, outputs in pairwise(widths[::-1]):
        raised = outputs if params.upsampling == "transposed" else inputs
        up = nn.Sequential(upsample(params.upsampling, inputs, outputs), *separable(raised, outputs))
        levels.append(DecoderLevel(up, SeparableBlock(2 * outputs, outputs, params.groups)))
    head = nn.Conv2d(widths[0], head_channels(params.output, classes), 1)
    network = EncoderDecoder(Stages(stages), nn.Identity(), levels, head)
    stride = 2**params.depth
    return accept_any_size(network, channels, stride, params.output)
