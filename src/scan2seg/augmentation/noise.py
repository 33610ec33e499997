"""Add white Gaussian noise to samples."""

from typing import TYPE_CHECKING

from pydantic import Field

from scan2seg.augmentation.settings import AugmentationParams

if TYPE_CHECKING:
    from torch import Tensor


class Params(AugmentationParams):
    """Settings of the noise."""

    amount: float = Field(0.05, gt=0)
    """Greatest standard deviation, in units of the normalised images; drawn uniformly from 0."""


def apply(params: Params, images: "Tensor", labels: "Tensor") -> tuple["Tensor", "Tensor"]:
    """Add noise to samples; see the folder's contract."""
    from scan2seg.augmentation.drawing import chosen, normal_like, per_sample, uniform

    changed = chosen(len(images), params.probability)
    amount = uniform(len(images), 0, params.amount) * changed
    return images + normal_like(images) * per_sample(amount, images), labels
