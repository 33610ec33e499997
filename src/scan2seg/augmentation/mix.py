"""CutMix (Yun et al. 2019): a rectangle of another sample of the batch, image and label."""

from typing import TYPE_CHECKING

from pydantic import Field

from scan2seg.augmentation.settings import AugmentationParams

if TYPE_CHECKING:
    from torch import Tensor


class Params(AugmentationParams):
    """Settings of the mix."""

    least: float = Field(0.2, gt=0, le=1)
    """Least side of the rectangle, a fraction of the image's."""
    most: float = Field(0.6, gt=0, le=1)
    """Greatest side of the rectangle."""


def apply(params: Params, images: "Tensor", labels: "Tensor") -> tuple["Tensor", "Tensor"]:
    """Paste rectangles; see the folder's contract. A batch of one sample stays as it is."""
    import torch

    from scan2seg.augmentation.drawing import chosen, uniform

    count, (height, width) = len(images), images.shape[-2:]
    mixed = chosen(count, params.probability)
    # A turn by less than the batch never pairs a sample with itself.
    partners = (torch.arange(count) + int(torch.randint(1, max(count, 2), ()))) % count
    inside = mixed[:, None, None].to(images.device)
    for axis, length in ((1, height), (2, width)):
        side = (uniform(count, params.least, max(params.least, params.most)) * length).round().clamp_min(1)
        start = (torch.rand(count) * (length - side + 1)).floor()
        position = torch.arange(length).expand(count, -1)
        line = (position >= start[:, None]) & (position < (start + side)[:, None])
        inside = inside & line.unsqueeze(3 - axis).to(images.device)
    partners = partners.to(images.device)
    image_mask = inside.reshape(count, *[1] * (images.ndim - 3), height, width)
    label_mask = inside.reshape(count, *[1] * (labels.ndim - 3), height, width)
    return torch.where(image_mask, images[partners], images), torch.where(label_mask, labels[partners], labels)
