"""What losses share: the mask of labelled pixels, one-hot targets, weighted means."""

from collections.abc import Callable

import torch
from torch import Tensor

from scan2seg.ignore import IGNORE

Loss = Callable[[Tensor, Tensor, Tensor | None], Tensor]


def split_target(target: Tensor) -> tuple[Tensor, Tensor]:
    """Return the target with ignored pixels set to class 0, and the mask of the others as float32."""
    valid = target != IGNORE
    return torch.where(valid, target, 0), valid.float()


def one_hot(target: Tensor, classes: int) -> Tensor:
    """Turn class indices (N, *spatial) into float32 (N, K, *spatial)."""
    # a comparison: torch's one_hot goes through int64 with the classes last, which takes three times as long
    # in the eight bits of a label, of which a vector holds eight times as many
    labels = torch.arange(classes, device=target.device, dtype=torch.uint8).view(-1, *(1,) * (target.ndim - 1))
    return (target.to(torch.uint8).unsqueeze(1) == labels).float()


def counted_pixels(valid: Tensor, pixel_weights: Tensor | None) -> Tensor | None:
    """Return the factor of each pixel (N, *spatial); None where all are 1, so that nothing need be multiplied by them.

    A GPU is not asked, for it would have to finish first what it was given.
    """
    if pixel_weights is not None:
        return valid * pixel_weights
    return None if valid.device.type == "cpu" and bool(valid.all()) else valid


def pixel_factors(target: Tensor, valid: Tensor, class_weights: Tensor | None, pixel_weights: Tensor | None) -> Tensor:
    """Return each pixel's factor (N, *spatial): its class's weight times its own, 0 where it is ignored."""
    factors = valid
    if class_weights is not None:
        factors = factors * class_weights.to(target.device, torch.float32)[target]
    return factors if pixel_weights is None else factors * pixel_weights


def weighted_mean(values: Tensor, factors: Tensor) -> Tensor:
    """Return the mean of the values by the factors; 0, with a gradient of 0, where all factors are 0."""
    return (values * factors).sum() / factors.sum().clamp_min(torch.finfo(torch.float32).tiny)


def class_mean(values: Tensor, class_weights: Tensor | None, include_background: bool) -> Tensor:
    """Return the mean of values (..., K) over classes by their weights, and over what stands before them."""
    first = 0 if include_background else 1
    values = values[..., first:]
    if class_weights is None:
        return values.mean()
    weights = class_weights.to(values)[first:]
    # all weights are 0 where the only class that counts is missing from training
    return ((values * weights).sum(-1) / weights.sum().clamp_min(torch.finfo(torch.float32).tiny)).mean()
