"""Stretch or squeeze the grey levels of samples about their mean."""

from typing import TYPE_CHECKING

from pydantic import Field

from scan2seg.augmentation.settings import AugmentationParams

if TYPE_CHECKING:
    from torch import Tensor


class Params(AugmentationParams):
    """Settings of the contrast."""

    amount: float = Field(0.2, gt=0, lt=1)
    """Greatest change of the contrast, a fraction: 0.2 is 0.8 to 1.2."""


def apply(params: Params, images: "Tensor", labels: "Tensor") -> tuple["Tensor", "Tensor"]:
    """Change the contrast of each channel about its mean; see the folder's contract."""
    from scan2seg.augmentation.drawing import chosen, per_sample, uniform

    changed = chosen(len(images), params.probability)
    amount = uniform(len(images), -params.amount, params.amount) * changed
    mean = images.flatten(2).mean(2).reshape(*images.shape[:2], *[1] * (images.ndim - 2))
    return images + (images - mean) * per_sample(amount, images), labels
