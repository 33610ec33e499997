"""Bend the grey levels of samples by a power, each channel within its own range."""

from typing import TYPE_CHECKING

from pydantic import Field

from scan2seg.augmentation.settings import AugmentationParams

if TYPE_CHECKING:
    from torch import Tensor


class Params(AugmentationParams):
    """Settings of the power."""

    low: float = Field(0.8, gt=0)
    """Least exponent."""
    high: float = Field(1.2, gt=0)
    """Greatest exponent."""


def apply(params: Params, images: "Tensor", labels: "Tensor") -> tuple["Tensor", "Tensor"]:
    """Bend samples; least and greatest value of each channel stay. See the folder's contract."""
    import torch

    from scan2seg.augmentation.drawing import chosen, per_sample, uniform

    changed = chosen(len(images), params.probability)
    exponent = per_sample(uniform(len(images), params.low, params.high), images)
    flat = images.flatten(2)
    shape = (*images.shape[:2], *[1] * (images.ndim - 2))
    low, high = flat.amin(2).reshape(shape), flat.amax(2).reshape(shape)
    span = (high - low).clamp_min(1e-12)
    bent = ((images - low) / span).clamp(0, 1) ** exponent * span + low
    return torch.where(per_sample(changed, images), bent, images), labels
