"""Add a constant to samples."""

from typing import TYPE_CHECKING

from pydantic import Field

from scan2seg.augmentation.settings import AugmentationParams

if TYPE_CHECKING:
    from torch import Tensor


class Params(AugmentationParams):
    """Settings of the brightness."""

    amount: float = Field(0.2, gt=0)
    """Greatest change up or down, in units of the normalised images."""


def apply(params: Params, images: "Tensor", labels: "Tensor") -> tuple["Tensor", "Tensor"]:
    """Brighten or darken samples; see the folder's contract."""
    from scan2seg.augmentation.drawing import chosen, per_sample, uniform

    changed = chosen(len(images), params.probability)
    amount = uniform(len(images), -params.amount, params.amount) * changed
    return images + per_sample(amount, images), labels
