"""Mirror samples left to right, top to bottom, or both."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from scan2seg.augmentation.settings import AugmentationParams

if TYPE_CHECKING:
    from torch import Tensor


class Params(AugmentationParams):
    """Settings of the flip."""

    axes: list[Literal["horizontal", "vertical"]] = Field(["horizontal", "vertical"], min_length=1)
    """Directions; each is drawn with ``probability``. ``horizontal`` exchanges left and right."""


def apply(params: Params, images: "Tensor", labels: "Tensor") -> tuple["Tensor", "Tensor"]:
    """Flip samples; see the folder's contract."""
    import torch

    from scan2seg.augmentation.drawing import chosen, per_sample

    for axis in params.axes:
        dimension = -1 if axis == "horizontal" else -2
        flipped = chosen(len(images), params.probability)
        images = torch.where(per_sample(flipped, images), images.flip(dimension), images)
        labels = torch.where(per_sample(flipped, labels), labels.flip(dimension), labels)
    return images, labels
