"""U-Nets over encoders and plain ones, from the options that ``unet`` offers."""

from itertools import pairwise
from typing import Any

from torch import nn

from scan2seg.architectures.any_size import accept_any_size, head_channels
from scan2seg.architectures.blocks import (
    Convolutions,
    DecoderLevel,
    EncoderDecoder,
    Stages,
    Style,
    initialise_new,
    upsample,
)
from scan2seg.architectures.published_blocks import ResPath
from scan2seg.errors import InputError

_DECODER_CHANNELS = (256, 128, 64, 32, 16)


def build_unet(params: Any, channels: int, classes: int) -> nn.Module:
    """Build what the settings of ``unet`` describe.

    Raises:
        InputError: the decoder's channels do not fit the depth, or the encoder is unknown.
    """
    style = Style.of(params)
    encoder, features = make_encoder(params, channels, style)
    default = features[-2::-1] if params.encoder is None else _DECODER_CHANNELS[6 - len(features) :]
    decoder = params.decoder_channels or default
    if len(decoder) != len(features) - 1:
        raise InputError(
            f"architecture: decoder_channels: {list(decoder)} has {len(decoder)} levels, "
            f"but the size is halved {len(features) - 1} times; give one number a halving"
        )
    bridge = nn.Identity()
    levels = decoder_levels(features, decoder, style, params.upsampling, params.convolutions)
    if params.skips == "res_path":
        for length, (level, width) in enumerate(zip(levels, features[-2::-1], strict=True), start=1):
            level.skip = ResPath(width, length, style) if width else nn.Identity()
    outputs = head_channels(params.output, classes)
    head = style.convolution(decoder[-1], outputs)
    extra = [nn.Conv2d(width, outputs, 1) for width in list(decoder)[-2::-1][: params.supervised_levels - 1]]
    initialise_new(params, encoder, *levels, head, *extra)
    network = EncoderDecoder(encoder, bridge, levels, head, extra)
    stride = 2 ** (len(features) - 1)
    return accept_any_size(network, channels, stride, params.output)


def make_encoder(params: Any, channels: int, style: Style) -> tuple[nn.Module, list[int]]:
    """Return the encoder that the settings mean, and the channels of its features, finest first."""
    depth = params.depth or (5 if params.encoder else 4)
    if params.encoder is None:
        widths = [params.width * 2**level for level in range(depth + 1)]
        return plain_encoder(channels, widths, style, params.convolutions), widths
    from scan2seg.encoders.build import build_encoder

    if depth > 5:
        raise InputError(f"architecture: depth: {depth} is more than an encoder has; at most 5")
    return build_encoder(params, channels, depth)


def plain_encoder(channels: int, widths: list[int], style: Style, count: int) -> nn.Module:
    """Return levels of convolutions with max-pooling between them."""
    stages: list[nn.Module] = [Convolutions(channels, widths[0], style, count)]
    for inputs, outputs in pairwise(widths):
        stages.append(nn.Sequential(nn.MaxPool2d(2), Convolutions(inputs, outputs, style, count)))
    return Stages(stages)


def decoder_levels(
    features: list[int], widths: list[int] | tuple[int, ...], style: Style, upsampling: str, count: int
) -> list[DecoderLevel]:
    """Return decoder levels that concatenate the features of the encoder.

    Args:
        features: channels of the encoder's features, finest first; 0 means that there is no skip.
        widths: channels of the decoder's levels, deepest first.
        style: what the convolutions share.
        upsampling: how the size is doubled.
        count: convolutions in a level.
    """
    levels = []
    current = features[-1]
    for skip, width in zip(features[-2::-1], widths, strict=True):
        up = upsample(upsampling, current, width)
        raised = width if upsampling == "transposed" else current
        block = nn.Sequential(style.drop(), Convolutions(raised + skip, width, style, count))
        levels.append(DecoderLevel(up, block, merge="concatenate" if skip else "none"))
        current = width
    return levels
