"""Multi-level Otsu thresholds of the grey level (Otsu 1979; Liao et al. 2001), levels named by the labels."""

from typing import TYPE_CHECKING

from pydantic import Field

from scan2seg.config.base import Settings

if TYPE_CHECKING:
    from torch import nn


class Params(Settings):
    """Settings of Otsu's method."""

    levels: int | None = Field(None, ge=2, le=16)
    """Into how many levels the grey values are cut; null: as many as there are classes. More where a
    class has several, such as nuclei that are bright on dark in some images and dark on bright in others."""
    bins: int = Field(256, ge=16, le=4096)
    """Bins of the histogram, between the least and the greatest value of the training images."""


def build(params: Params, channels: int, classes: int) -> "nn.Module":
    """Build the model; see the folder's contract. Channels are averaged to one grey level."""
    from scan2seg.architectures.grey_levels import Otsu

    return Otsu(classes, params.levels or max(classes, 2), params.bins)
