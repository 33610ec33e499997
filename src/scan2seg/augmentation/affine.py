"""Rotate, shift, shear and zoom samples, in one resampling."""

from typing import TYPE_CHECKING

from pydantic import Field

from scan2seg.augmentation.settings import WarpParams

if TYPE_CHECKING:
    from torch import Tensor


class Params(WarpParams):
    """Settings of the affine map; every amount is drawn uniformly from both sides of no change."""

    rotation: float = Field(20.0, ge=0, le=180)
    """Greatest rotation, degrees."""
    shift: float = Field(0.1, ge=0, le=1)
    """Greatest shift, a fraction of height and of width."""
    shear: float = Field(0.0, ge=0, lt=1)
    """Greatest shear along x: the shift of a row over its distance from the centre."""
    zoom: float = Field(0.1, ge=0, lt=1)
    """Greatest change of the magnification, a fraction: 0.1 is 0.9 to 1.1."""


def apply(params: Params, images: "Tensor", labels: "Tensor") -> tuple["Tensor", "Tensor"]:
    """Map samples; see the folder's contract."""
    from scan2seg.augmentation.drawing import chosen
    from scan2seg.augmentation.warping import identity_grid, warp

    count, (height, width) = len(images), images.shape[-2:]
    moved = chosen(count, params.probability)
    matrix, offset = _draw(params, count, height, width)
    grid = identity_grid(count, height, width, images.device)
    placed = grid @ matrix.transpose(1, 2).to(grid.device)[:, None] + offset.to(grid.device)[:, None, None]
    return warp(images, labels, placed, moved, params.border)


def _draw(params: Params, count: int, height: int, width: int) -> tuple["Tensor", "Tensor"]:
    """Return matrices (N, 2, 2) and offsets (N, 2) from the new grid's (x, y) to the old one's."""
    import torch

    from scan2seg.augmentation.drawing import uniform

    angle = torch.deg2rad(uniform(count, -params.rotation, params.rotation))
    shear = uniform(count, -params.shear, params.shear)
    scale = 1 / uniform(count, 1 - params.zoom, 1 + params.zoom)
    offset = 2 * torch.stack([uniform(count, -params.shift, params.shift) for _ in range(2)], 1)
    cosine, sine = angle.cos() * scale, angle.sin() * scale
    # Shear, then rotation and zoom, in pixels; the grid counts in half sides, so x over y is as height over width.
    aspect = height / width
    rows = [cosine, (cosine * shear - sine) * aspect, sine / aspect, sine * shear + cosine]
    return torch.stack(rows, 1).reshape(count, 2, 2), offset
