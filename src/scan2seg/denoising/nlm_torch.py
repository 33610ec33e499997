"""Non-local means in torch, for GPUs: whole slices at a time, one shift of the search window after the other.

The formula, the arguments and the result are those of ``nlm_numba``. It needs numpy and torch alone.
"""

import math
from itertools import product
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

_VOXELS_AT_ONCE = 2**25


def non_local_means(
    volume: NDArray[np.float32],
    h: float,
    noise: float = 0.0,
    patch_size: int = 5,
    patch_distance: int = 6,
    dimensions: Literal[2, 3] = 2,
    window: Literal["full", "scikit-image"] = "full",
    device: str = "cuda",
) -> NDArray[np.float32]:
    """Denoise a volume (z, y, x) of finite values; see ``nlm_numba.non_local_means``.

    Slices go to the device in batches of bounded size; in three dimensions each batch brings its neighbours.
    """
    half = patch_size // 2
    first = -half if window == "full" else 1 - half
    margin = half + patch_distance
    across = margin if dimensions == 3 else 0
    padded = np.pad(volume, ((across, across), (0, 0), (0, 0)), "reflect")
    scale = 1 / max(h * h * patch_size**dimensions, 1e-30)
    subtracted = 2 * noise * noise * (half - first + 1) ** dimensions * scale
    step = max(1, _VOXELS_AT_ONCE // max(volume[0].size, 1))
    result = np.empty(volume.shape, np.float32)
    for start in range(0, len(volume), step):
        stop = min(start + step, len(volume))
        block = torch.from_numpy(np.ascontiguousarray(padded[start : stop + 2 * across])).to(device)
        block = functional.pad(block[None], (margin,) * 4, mode="reflect")[0]
        denoised = _denoise(block, first, half, patch_distance, across > 0, scale, subtracted)
        result[start:stop] = denoised.cpu().numpy()
    return result


def _denoise(
    padded: Tensor, first: int, last: int, distance: int, across: bool, scale: float, subtracted: float
) -> Tensor:
    """Denoise what is left of a block (z, y, x) without its margins; z has margins only when searched across."""
    margin, planes = last + distance, distance if across else 0
    depth = len(padded) - (2 * margin if across else 0)
    height, width = padded.shape[1] - 2 * margin, padded.shape[2] - 2 * margin
    extra = last - first
    around = (first + margin, depth + extra) if across else (0, depth)
    here = padded[around[0] : sum(around), first + margin :, first + margin :][:, : height + extra, : width + extra]
    total, norm = torch.zeros_like(here[:depth, :height, :width]), torch.zeros_like(here[:depth, :height, :width])
    searched = range(-distance, distance + 1)
    for dz, dy, dx in product(range(-planes, planes + 1), searched, searched):
        y, x = first + margin + dy, first + margin + dx
        there = padded[around[0] + dz : sum(around) + dz, y : y + height + extra, x : x + width + extra]
        patches = _sum_windows((here - there).square_(), extra + 1, across)
        weights = _weights(patches.mul_(-scale).add_(subtracted).clamp_(-6, 0), exact=first == -last)
        z = margin + dz if across else 0
        shifted = padded[z : z + depth, margin + dy :, margin + dx :][:, :height, :width]
        norm.add_(weights)
        total.addcmul_(weights, shifted)
    return total.div_(norm)


def _weights(exponents: Tensor, exact: bool) -> Tensor:
    """Exponentiate, exactly or as scikit-image does (see ``nlm_numba``); nothing below an exponent of -5 counts."""
    if exact:
        weights = torch.exp(exponents)
    else:
        slope, origin = 2**23 / math.log(2), 2**23 * (127 - 60801 / 2**20)
        weights = (exponents * slope + origin).to(torch.int32).view(torch.float32)
    return weights.mul_(exponents >= -5)


def _sum_windows(squares: Tensor, window: int, across: bool) -> Tensor:
    """Sum over square or cubic windows without padding: one axis after the other."""
    for axis in (0, 1, 2) if across else (1, 2):
        length = squares.shape[axis] - window + 1
        total = squares.narrow(axis, 0, length).clone()
        for shift in range(1, window):
            total.add_(squares.narrow(axis, shift, length))
        squares = total
    return squares
