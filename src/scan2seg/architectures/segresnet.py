"""SegResNet (Myronenko 2018): residual encoder and a light decoder, group normalisation."""

from typing import TYPE_CHECKING, Self

from pydantic import Field, model_validator

from scan2seg.architectures.settings import OutputSettings

if TYPE_CHECKING:
    from torch import nn


class Params(OutputSettings):
    """Settings of SegResNet."""

    filters: int = Field(8, ge=8, multiple_of=8)
    """Channels of the first level, a multiple of 8."""
    blocks_down: list[int] = Field([1, 2, 2, 4], min_length=2, max_length=6)
    """Residual blocks in each level of the encoder."""
    blocks_up: list[int] | None = Field(None, min_length=1, max_length=5)
    """Residual blocks in each level of the decoder, which has one level fewer than the encoder; by default one each."""
    dropout: float = Field(0.0, ge=0, lt=1)
    """Dropout in each block."""

    @model_validator(mode="after")
    def _check_levels(self) -> Self:
        levels = len(self.blocks_down) - 1
        if self.blocks_up is not None and len(self.blocks_up) != levels:
            raise ValueError(
                f"blocks_up: has {len(self.blocks_up)} levels; write {levels}, one fewer than blocks_down has, or "
                "leave it out"
            )
        return self


def build(params: Params, channels: int, classes: int, dimensions: int = 2) -> "nn.Module":
    """Build the network, for images or for volumes; see the folder's contract."""
    from monai.networks.nets import SegResNet

    from scan2seg.architectures.any_size import accept_any_size, head_channels

    network = SegResNet(
        spatial_dims=dimensions,
        init_filters=params.filters,
        in_channels=channels,
        out_channels=head_channels(params.output, classes),
        dropout_prob=params.dropout or None,
        blocks_down=tuple(params.blocks_down),
        blocks_up=tuple(params.blocks_up or [1] * (len(params.blocks_down) - 1)),
    )
    stride = 2 ** (len(params.blocks_down) - 1)
    return accept_any_size(network, channels, stride, params.output, dimensions)
