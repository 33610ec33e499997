"""K-means clusters of the pixels' values (Lloyd 1982), clusters named by the labels."""

from typing import TYPE_CHECKING

from pydantic import Field

from scan2seg.config.base import Settings

if TYPE_CHECKING:
    from torch import nn


class Params(Settings):
    """Settings of k-means."""

    clusters: int | None = Field(None, ge=2, le=64)
    """How many clusters; null: as many as there are classes. More where a class has several kinds of pixels."""
    samples: int = Field(200_000, ge=100)
    """The most pixels that are clustered, drawn at random."""
    restarts: int = Field(4, ge=1)
    """How often it starts anew; the best run counts."""


def build(params: Params, channels: int, classes: int) -> "nn.Module":
    """Build the model; see the folder's contract."""
    from scan2seg.architectures.grey_levels import KMeans

    return KMeans(channels, classes, params.clusters or max(classes, 2), params.samples, params.restarts)
