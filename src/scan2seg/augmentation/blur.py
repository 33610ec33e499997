"""Blur samples by a Gaussian."""

from typing import TYPE_CHECKING

from pydantic import Field

from scan2seg.augmentation.settings import AugmentationParams

if TYPE_CHECKING:
    from torch import Tensor


class Params(AugmentationParams):
    """Settings of the blur."""

    sigma: float = Field(1.5, gt=0, le=20)
    """Greatest standard deviation in pixels; drawn uniformly from 0.1."""


def apply(params: Params, images: "Tensor", labels: "Tensor") -> tuple["Tensor", "Tensor"]:
    """Blur samples, mirrored at the edges; see the folder's contract."""
    import torch

    from scan2seg.augmentation.drawing import chosen, per_sample, uniform
    from scan2seg.augmentation.smoothing import smooth

    changed = chosen(len(images), params.probability)
    sigma = uniform(len(images), min(0.1, params.sigma), params.sigma).to(images.device)
    planes = images.reshape(len(images), -1, *images.shape[-2:])
    blurred = smooth(planes, sigma).reshape(images.shape)
    return torch.where(per_sample(changed, images), blurred, images), labels
