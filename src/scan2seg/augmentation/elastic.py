"""Elastic deformation (Simard et al. 2003): a random field of shifts, smoothed."""

from typing import TYPE_CHECKING

from pydantic import Field

from scan2seg.augmentation.settings import WarpParams

if TYPE_CHECKING:
    from torch import Tensor


class Params(WarpParams):
    """Settings of the deformation."""

    amplitude: float = Field(720.0, gt=0)
    """Factor of the shifts, in pixels before smoothing: uniform noise in -1..1 is smoothed and multiplied by it."""
    sigma: float = Field(24.0, gt=0)
    """Standard deviation of the smoothing in pixels; 720 and 24 shift by about 5 pixels along each axis (root mean
    square)."""


def apply(params: Params, images: "Tensor", labels: "Tensor") -> tuple["Tensor", "Tensor"]:
    """Deform samples; see the folder's contract."""
    import torch

    from scan2seg.augmentation.drawing import chosen
    from scan2seg.augmentation.smoothing import smooth
    from scan2seg.augmentation.warping import identity_grid, warp

    count, (height, width) = len(images), images.shape[-2:]
    moved = chosen(count, params.probability)
    seed = int(torch.randint(2**62, ()).item())
    generator = torch.Generator(images.device).manual_seed(seed)
    noise = 2 * torch.rand(count, 2, height, width, generator=generator, device=images.device) - 1
    shifts = params.amplitude * smooth(noise, torch.full((count,), params.sigma, device=images.device))
    scale = torch.tensor([2 / width, 2 / height], device=images.device)
    grid = identity_grid(count, height, width, images.device) + shifts.movedim(1, -1) * scale
    return warp(images, labels, grid, moved, params.border)
