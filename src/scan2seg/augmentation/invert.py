"""Invert the grey levels of samples, each channel within its own range."""

from typing import TYPE_CHECKING

from scan2seg.augmentation.settings import AugmentationParams

if TYPE_CHECKING:
    from torch import Tensor


class Params(AugmentationParams):
    """Settings of the inversion."""


def apply(params: Params, images: "Tensor", labels: "Tensor") -> tuple["Tensor", "Tensor"]:
    """Exchange the least and the greatest value of each channel of samples; see the folder's contract."""
    import torch

    from scan2seg.augmentation.drawing import chosen, per_sample

    changed = chosen(len(images), params.probability)
    flat = images.flatten(2)
    total = (flat.amin(2) + flat.amax(2)).reshape(*images.shape[:2], *[1] * (images.ndim - 2))
    return torch.where(per_sample(changed, images), total - images, images), labels
