"""How the predictions of overlapping tiles become one: weights, and sums that move with the rows."""

from functools import lru_cache, reduce

import torch
from torch import Tensor


def move_up(sums: Tensor, rows: int) -> None:
    """Move sums (..., rows, x) up by some rows, and begin with 0 below."""
    kept = sums.shape[-2] - rows
    moved = sums[..., rows:, :]
    sums[..., :kept, :] = moved if kept <= rows else moved.clone()
    sums[..., kept:, :] = 0


@lru_cache(maxsize=16)
def blending_weights(tile: tuple[int, ...], blend: str, device: str = "cpu") -> Tensor:
    """Return the weight of each pixel of a tile: 1, or a Gaussian of an eighth of its size (nnU-Net)."""
    if blend == "constant":
        return torch.ones(tile, device=device)
    axes = []
    for length in tile:
        distance = torch.arange(length, dtype=torch.float32) - (length - 1) / 2
        axes.append(torch.exp(-0.5 * (distance / max(length / 8, 0.5)) ** 2))
    weights = reduce(lambda product, axis: product[..., None] * axis, axes)
    return weights.clamp_min(float(weights.max()) * 1e-3).to(device)
