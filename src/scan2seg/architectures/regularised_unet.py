"""U-Net over a pre-trained encoder whose decoder is regularised throughout, for few images (system 2).

A level is a transposed convolution, batch normalisation, dropout, the skip connection, and two 3 x 3 convolutions, each
with ReLU, batch normalisation and dropout. The encoder's deepest features are the bridge.
"""

from typing import TYPE_CHECKING

from pydantic import Field

from scan2seg.architectures.settings import OutputSettings, Padding
from scan2seg.encoders.names import EncoderName
from scan2seg.encoders.settings import EncoderSettings

if TYPE_CHECKING:
    from torch import nn


class Params(EncoderSettings, OutputSettings):
    """Settings of the regularised U-Net."""

    encoder: EncoderName = "vgg16"
    """Name of an encoder."""
    depth: int = Field(4, ge=1, le=5)
    """How often the encoder halves the size: 4 ends at VGG16's 512 channels, 5 at ResNet-50's 2048."""
    decoder_channels: list[int] = Field([512, 256, 128, 64], min_length=1, max_length=5)
    """Channels of the decoder's levels, deepest first. With fewer levels than halvings the output is resized to the
    image, bilinearly."""
    dropout: float = Field(0.4, ge=0, lt=1)
    """Dropout of single values, after every normalisation of the decoder."""
    padding: Padding = "zeros"
    """How the decoder's convolutions continue the image beyond its edge; ``reflect`` is mirrored padding."""


def build(params: Params, channels: int, classes: int) -> "nn.Module":
    """Build the network; see the folder's contract.

    Raises:
        InputError: more levels than halvings.
    """
    from torch import nn

    from scan2seg.architectures.any_size import accept_any_size, head_channels
    from scan2seg.architectures.blocks import DecoderLevel, EncoderDecoder
    from scan2seg.encoders.build import build_encoder
    from scan2seg.errors import InputError

    widths = params.decoder_channels
    if len(widths) > params.depth:
        raise InputError(
            f"architecture: decoder_channels: {widths} has {len(widths)} levels, but the size is halved "
            f"{params.depth} times; give at most one number a halving"
        )

    def regularise(outputs: int) -> list[nn.Module]:
        return [nn.BatchNorm2d(outputs), nn.Dropout(params.dropout)]

    def convolve(inputs: int, outputs: int) -> list[nn.Module]:
        convolution = nn.Conv2d(inputs, outputs, 3, padding=1, padding_mode=params.padding)
        return [convolution, nn.ReLU(inplace=True), *regularise(outputs)]

    encoder, features = build_encoder(params, channels, params.depth)
    levels = []
    current = features[-1]
    for skip, width in zip(features[-2::-1], widths, strict=False):
        up = nn.Sequential(nn.ConvTranspose2d(current, width, 2, 2), *regularise(width))
        block = nn.Sequential(*convolve(width + skip, width), *convolve(width, width))
        levels.append(DecoderLevel(up, block, merge="concatenate" if skip else "none"))
        current = width
    head = nn.Conv2d(current, head_channels(params.output, classes), 1)
    network = EncoderDecoder(encoder, nn.Identity(), levels, head)
    stride = 2**params.depth
    return accept_any_size(network, channels, stride, params.output)
