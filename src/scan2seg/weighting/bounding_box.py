"""Pixels outside the box around all foreground of an image count less."""

from typing import TYPE_CHECKING

from pydantic import Field

from scan2seg.config.base import Settings

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

    foreground = (labels != params.background) & (labels != 255)
    rows, columns = foreground.any(-1), foreground.any(-2)
    # A row lies within the box when foreground lies both at or above and at or below it.
    within = [
        (line.cummax(-1).values & line.flip(-1).cummax(-1).values.flip(-1)).bool()
        for line in (rows.int(), columns.int())
    ]
    box = within[0].unsqueeze(-1) & within[1].unsqueeze(-2)
    empty = ~foreground.flatten(-2).any(-1)[..., None, None]
    return torch.where(box | empty, 1.0, params.beta_bg).float()
