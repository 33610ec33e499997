"""Random numbers for whole batches, drawn on the CPU so that a seed fixes them on any device."""

import torch
from torch import Tensor


def chosen(count: int, probability: float) -> Tensor:
    """Draw which samples are changed, (count,) bool on the CPU."""
    return torch.rand(count) < probability


def uniform(count: int, low: float, high: float) -> Tensor:
    """Draw one number a sample, (count,) float32 on the CPU."""
    return low + (high - low) * torch.rand(count)


def per_sample(values: Tensor, like: Tensor) -> Tensor:
    """Bring values (N,) to the device and to the shape (N, 1, 1, ...) of a batch."""
    return values.to(like.device, non_blocking=True).reshape(-1, *[1] * (like.ndim - 1))


def normal_like(images: Tensor) -> Tensor:
    """Draw standard normal noise on the images' own device, seeded from the CPU's generator."""
    seed = int(torch.randint(2**62, ()).item())
    generator = torch.Generator(images.device).manual_seed(seed)
    return torch.randn(images.shape, generator=generator, device=images.device, dtype=images.dtype)
