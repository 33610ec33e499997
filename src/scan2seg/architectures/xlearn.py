"""XLearn's U-Net of three halvings: a dense bottleneck, so one size of patch; trained by ``mse`` on grey levels."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from scan2seg.config.base import Settings

if TYPE_CHECKING:
    from torch import nn


class Params(Settings):
    """Settings of the baseline, and of what system 1 makes of it: ``normalisation: batch`` and ``output: softmax``."""

    width: int = Field(32, ge=1)
    """Channels of the first level; the following have twice, twice and four times as many."""
    patch: int = Field(32, ge=16, multiple_of=8)
    """Height and width that the dense layers are made for; a larger image is taken patch by patch."""
    normalisation: Literal["batch", "none"] = "none"
    """``batch``: batch normalisation before every ReLU, also that of the dense layers."""
    output: Literal["grey", "softmax"] = "grey"
    """``grey``: one grey level, class k at k / (K - 1), for the loss ``mse`` with ``target: grey``; ``softmax``: a
    channel a class."""


def build(params: Params, channels: int, classes: int) -> "nn.Module":
    """Build the network; see the folder's contract.

    One thing differs: the last layer of one grey level has no ReLU. Below 0 that ends the learning of every pixel
    for good; ``GreyLevels`` cuts the value instead and lets the gradient pass.
    """
    from torch import nn

    from scan2seg.architectures.any_size import AnySize
    from scan2seg.architectures.blocks import DecoderLevel, EncoderDecoder, Style
    from scan2seg.architectures.published_blocks import DenseBottleneck, GreyLevels, PatchByPatch, transposed
    from scan2seg.architectures.unet_family import plain_encoder

    width, style = params.width, Style(normalisation=params.normalisation)
    encoder = plain_encoder(channels, [width, 2 * width, 2 * width, 4 * width], style, 2)
    bottleneck = DenseBottleneck(4 * width, params.patch // 8, 8 * width, style)
    levels = []
    for joined, level in ((10 * width, 2 * width), (4 * width, 2 * width), (3 * width, width)):
        block = nn.Sequential(*transposed(joined, level, style), *transposed(level, level, style))
        levels.append(DecoderLevel(nn.Upsample(scale_factor=2), block))
    head = nn.ConvTranspose2d(width, 1 if params.output == "grey" else classes, 3, padding=1)
    network: nn.Module = PatchByPatch(EncoderDecoder(encoder, bottleneck, levels, head), params.patch)
    return AnySize(GreyLevels(network, classes) if params.output == "grey" else network, params.patch)
