"""Gaussian smoothing with a width of its own for each sample."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from scan2seg.architectures.any_size import mirror_pad


def smooth(planes: Tensor, sigma: Tensor) -> Tensor:
    """Smooth planes (N, C, H, W) by Gaussians of standard deviations ``sigma`` (N,) in pixels, mirrored at the edges.

    The kernels reach four of the greatest deviations.
    """
    count, channels = planes.shape[:2]
    radius = max(1, math.ceil(4 * float(sigma.max())))
    offsets = torch.arange(-radius, radius + 1, device=planes.device, dtype=planes.dtype)
    kernels = torch.exp(-0.5 * (offsets / sigma[:, None].clamp_min(1e-3)) ** 2)
    kernels = (kernels / kernels.sum(1, keepdim=True)).repeat_interleave(channels, 0)
    merged = planes.reshape(1, count * channels, *planes.shape[2:])
    for axis in (2, 3):
        padded = _mirror_both(merged, axis, radius)
        weight = kernels.reshape(count * channels, 1, *((-1, 1) if axis == 2 else (1, -1)))
        merged = F.conv2d(padded, weight, groups=count * channels)
    return merged.reshape(planes.shape)


def _mirror_both(planes: Tensor, axis: int, radius: int) -> Tensor:
    """Extend one axis by ``radius`` mirrored pixels at both ends."""
    size = list(planes.shape[2:])
    size[axis - 2] += radius
    extended = mirror_pad(planes, size).flip(axis)
    size[axis - 2] += radius
    return mirror_pad(extended, size).flip(axis)
