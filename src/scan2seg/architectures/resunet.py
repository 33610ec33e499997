"""ResUNet (Zhang et al. 2018): a U-Net of pre-activation residual blocks."""

from itertools import pairwise
from typing import TYPE_CHECKING

from pydantic import Field

from scan2seg.architectures.settings import DecoderSettings, Initialisation

if TYPE_CHECKING:
    from torch import nn


class Params(DecoderSettings):
    """Settings of the ResUNet; the defaults are those of the system for nuclei."""

    filters: list[int] = Field([16, 32, 64, 128, 256], min_length=2, max_length=8)
    """Channels of the encoder's levels, the finest first; the decoder's are the same but the first, reversed."""
    initialisation: Initialisation = "glorot"
    """Initial weights; see the other architectures. The published system has Keras' default, ``glorot``."""


def build(params: Params, channels: int, classes: int) -> "nn.Module":
    """Build the network; see the folder's contract."""
    from torch import nn

    from scan2seg.architectures.any_size import accept_any_size, head_channels
    from scan2seg.architectures.blocks import (
        DecoderLevel,
        EncoderDecoder,
        PreActivationResidual,
        Stages,
        Style,
        initialise,
        upsample,
    )

    style = Style.of(params)
    filters = params.filters
    stages = [PreActivationResidual(channels, filters[0], style, stem=True)]
    for inputs, outputs in pairwise(filters):
        stages.append(PreActivationResidual(inputs, outputs, style, stride=2))
    deepest = filters[-1]
    bridge = nn.Sequential()
    for _ in range(2):
        bridge.extend([style.normalise(deepest), style.activate(inplace=False), style.convolution(deepest, deepest)])
    levels = []
    current = deepest
    for skip, width in zip(filters[-2::-1], filters[:0:-1], strict=True):
        up = upsample(params.upsampling, current, width)
        raised = width if params.upsampling == "transposed" else current
        block = nn.Sequential(style.drop(), PreActivationResidual(raised + skip, width, style))
        levels.append(DecoderLevel(up, block))
        current = width
    head = nn.Conv2d(current, head_channels(params.output, classes), 1)
    network = initialise(EncoderDecoder(Stages(stages), bridge, levels, head), params.initialisation)
    stride = 2 ** (len(filters) - 1)
    return accept_any_size(network, channels, stride, params.output)
