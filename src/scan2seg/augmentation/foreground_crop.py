"""Zoom into the window of a sample that holds most foreground."""

from typing import TYPE_CHECKING

from pydantic import Field

from scan2seg.augmentation.settings import WarpParams
from scan2seg.ignore import IGNORE

if TYPE_CHECKING:
    from torch import Tensor


class Params(WarpParams):
    """Settings of the crop."""

    fraction: float = Field(0.5, gt=0, le=1)
    """Least side of the window, a fraction of the image's; drawn uniformly up to 1. The window is then enlarged to
    the image's size."""
    candidates: int = Field(8, ge=1)
    """Of how many random windows the one with most foreground is taken."""
    background: int = Field(0, ge=0)
    """Class that is no foreground."""


def apply(params: Params, images: "Tensor", labels: "Tensor") -> tuple["Tensor", "Tensor"]:
    """Crop and enlarge samples; see the folder's contract."""
    import torch
    from torch.nn import functional as F

    from scan2seg.augmentation.drawing import chosen, uniform
    from scan2seg.augmentation.warping import identity_grid, warp

    count, (height, width) = len(images), images.shape[-2:]
    moved = chosen(count, params.probability)
    side = uniform(count, params.fraction, 1)
    centres = (2 * torch.rand(count, params.candidates, 2) - 1) * (1 - side)[:, None, None]
    foreground = ((labels != params.background) & (labels != IGNORE)).float()
    foreground = foreground.reshape(count, -1, height, width).mean(1, keepdim=True)
    coarse = identity_grid(1, 16, 16, images.device) * side.to(images.device)[:, None, None, None]
    places = (coarse[:, None] + centres.to(images.device)[:, :, None, None]).reshape(count, -1, 16, 2)
    share = F.grid_sample(foreground, places, mode="nearest", align_corners=False)
    best = share.reshape(count, params.candidates, -1).mean(2).argmax(1).cpu()
    centre = centres[torch.arange(count), best].to(images.device)
    grid = identity_grid(count, height, width, images.device) * side.to(images.device)[:, None, None, None]
    return warp(images, labels, grid + centre[:, None, None], moved, params.border)
