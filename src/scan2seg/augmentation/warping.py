"""Move the pixels of images and labels together."""

import torch
from torch import Tensor
from torch.nn import functional as F

from scan2seg.ignore import IGNORE


def warp(images: Tensor, labels: Tensor, grid: Tensor, moved: Tensor, border: str) -> tuple[Tensor, Tensor]:
    """Sample images and labels at the grid's places.

    Args:
        images: (N, C, H, W) or (N, C, D, H, W); sampled bilinearly, mirrored beyond the edge.
        labels: (N, H, W) or (N, D, H, W); the nearest pixel's.
        grid: (N, H, W, 2), x then y, -1 and 1 are the outer edges of the image.
        moved: (N,) bool, the samples to change; the others come back bit for bit.
        border: ``mirror``, or ``ignore``: 255 where a label would come from beyond the edge.
    """
    index = torch.nonzero(moved).squeeze(1).to(images.device)
    if index.numel() == 0:
        return images, labels
    grid = grid.index_select(0, index)
    new_images, new_labels = images.clone(), labels.clone()
    planes = images.index_select(0, index)
    sampled = _sample(planes.flatten(1, -3), grid, "bilinear")
    new_images[index] = sampled.reshape(planes.shape).to(images.dtype)
    maps = labels.index_select(0, index)
    stack = maps.reshape(maps.shape[0], -1, *maps.shape[-2:]).to(grid.dtype)
    nearest = _sample(stack, grid, "nearest").round()
    if border == "ignore":
        outside = (grid.abs() > 1).any(-1).unsqueeze(1)
        nearest = torch.where(outside, float(IGNORE), nearest)
    new_labels[index] = nearest.reshape(maps.shape).to(labels.dtype)
    return new_images, new_labels


def _sample(planes: Tensor, grid: Tensor, mode: str) -> Tensor:
    return F.grid_sample(planes.float(), grid, mode=mode, padding_mode="reflection", align_corners=False)


def identity_grid(count: int, height: int, width: int, device: torch.device) -> Tensor:
    """Return the grid (count, H, W, 2) that changes nothing."""
    y = (torch.arange(height, device=device) + 0.5) * (2 / height) - 1
    x = (torch.arange(width, device=device) + 0.5) * (2 / width) - 1
    grid = torch.stack([x.expand(height, width), y[:, None].expand(height, width)], -1)
    return grid.expand(count, height, width, 2)
