"""SD-UNet (Gadosey et al. 2020): a U-Net stripped down to depthwise separable convolutions, for small computers."""

from itertools import pairwise
from typing import TYPE_CHECKING

from pydantic import Field

from scan2seg.architectures.settings import OutputSettings, Upsampling

if TYPE_CHECKING:
    from torch import nn


class Params(OutputSettings):
    """Settings of SD-UNet."""

    width: int = Field(32, ge=1)
    """Channels of the first level; each further level has twice as many."""
    depth: int = Field(4, ge=1, le=7)
    """How often the size is halved."""
    groups: int = Field(8, ge=1)
    """Groups of the normalisation, fewer where the channels do not divide."""
    dropout: float = Field(0.0, ge=0, lt=1)
    """Dropout of whole channels in every decoder level."""
    upsampling: Upsampling = "transposed"
    """How the decoder doubles the resolution."""


def build(params: Params, channels: int, classes: int) -> "nn.Module":
    """Build the network; see the folder's contract."""
    from torch import nn

    from scan2seg.architectures.any_size import AnySize, head_channels, least_size
    from scan2seg.architectures.blocks import DecoderLevel, EncoderDecoder, Stages, upsample
    from scan2seg.architectures.published_blocks import SeparableConvolutions

    widths = [params.width * 2**level for level in range(params.depth + 1)]
    stages: list[nn.Module] = [SeparableConvolutions(channels, widths[0], 2, params.groups)]
    for inputs, outputs in pairwise(widths):
        stages.append(nn.Sequential(nn.MaxPool2d(2), SeparableConvolutions(inputs, outputs, 2, params.groups)))
    levels = []
    for inputs, outputs in pairwise(widths[::-1]):
        raised = outputs if params.upsampling == "transposed" else inputs
        block = SeparableConvolutions(raised + outputs, outputs, 2, params.groups)
        up = upsample(params.upsampling, inputs, outputs)
        levels.append(DecoderLevel(up, nn.Sequential(nn.Dropout2d(params.dropout), block)))
    head = nn.Conv2d(widths[0], head_channels(params.output, classes), 1)
    network = EncoderDecoder(Stages(stages), nn.Identity(), levels, head)
    stride = 2**params.depth
    return AnySize(network, stride, least_size(network, channels, stride), sigmoid=params.output == "sigmoid")
