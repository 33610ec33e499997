"""Turn samples by a multiple of 90 degrees; where height and width differ, by 180."""

from typing import TYPE_CHECKING

from pydantic import Field

from scan2seg.augmentation.settings import AugmentationParams

if TYPE_CHECKING:
    from torch import Tensor


class Params(AugmentationParams):
    """Settings of the quarter turns."""

    probability: float = Field(0.75, ge=0, le=1)
    """With which each sample is turned; the turns other than none are equally likely."""


def apply(params: Params, images: "Tensor", labels: "Tensor") -> tuple["Tensor", "Tensor"]:
    """Turn samples; see the folder's contract."""
    import torch

    from scan2seg.augmentation.drawing import chosen, per_sample

    turned = chosen(len(images), params.probability)
    square = images.shape[-1] == images.shape[-2]
    turns = torch.where(turned, torch.randint(1, 4, turned.shape) if square else 2, 0)
    new_images, new_labels = images, labels
    for quarter in (1, 2, 3) if square else (2,):
        picked = turns == quarter
        if picked.any():
            rotated = torch.rot90(images, quarter, (-2, -1)), torch.rot90(labels, quarter, (-2, -1))
            new_images = torch.where(per_sample(picked, images), rotated[0], new_images)
            new_labels = torch.where(per_sample(picked, labels), rotated[1], new_labels)
    return new_images, new_labels
