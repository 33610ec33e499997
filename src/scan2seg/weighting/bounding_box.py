"""Pixels outside the box around all foreground of an image count less."""

from typing import TYPE_CHECKING

from pydantic import Field

from scan2seg.config.base import Settings
from scan2seg.ignore import IGNORE

if TYPE_CHECKING:
    from torch import Tensor


class Params(Settings):
    """Settings of the bounding-box weights."""

    beta_bg: float = Field(0.05, ge=0, le=1)
    """Weight outside the box; published values are 0.01 to 0.2."""
    background: int = Field(0, ge=0)
    """Class that is no foreground."""


def weigh(params: Params, labels: "Tensor") -> "Tensor":
    """Weigh pixels: 1 inside the box, ``beta_bg`` outside; an image without foreground has 1 everywhere."""
    import torch

    foreground = (labels != params.background) & (labels != IGNORE)
    box = torch.ones_like(foreground)
    axes = range(1, labels.ndim)
    for axis in axes:
        line = foreground.any(tuple(other for other in axes if other != axis), keepdim=True).int()
        # a row lies within the box when foreground lies both at or above and at or below it
        before, after = line.cummax(axis).values, line.flip(axis).cummax(axis).values.flip(axis)
        box = box & before.bool() & after.bool()
    empty = ~foreground.any(tuple(axes), keepdim=True)
    return torch.where(box | empty, 1.0, params.beta_bg).float()
