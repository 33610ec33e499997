"""Random forest of pixels (Breiman 2001) over multiscale intensity, edge and texture features."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from scan2seg.config.base import Settings

if TYPE_CHECKING:
    from torch import nn


class Params(Settings):
    """Settings of the random forest."""

    sigmas: list[float] = Field([0.7, 1.0, 1.6, 3.5, 5.0, 10.0], min_length=1)
    """Standard deviations of the Gaussians, pixels: one of each feature a value."""
    trees: int = Field(50, ge=1, le=1000)
    """How many trees."""
    depth: int = Field(12, ge=1, le=30)
    """Greatest depth of a tree."""
    samples: int = Field(100_000, ge=100)
    """The most labelled pixels that are learnt from, drawn at random, evenly over the images."""
    class_weight: Literal["none", "balanced"] = "balanced"
    """``balanced``: classes count alike, however rare."""


def build(params: Params, channels: int, classes: int) -> "nn.Module":
    """Build the model; see the folder's contract."""
    from scan2seg.architectures.forest import RandomForest

    return RandomForest(params, channels, classes)
