"""Boundary loss (Kervadec et al. 2019): probability times the signed distance to the true class's border."""

from typing import TYPE_CHECKING, Any

from pydantic import Field

from scan2seg.losses.settings import LossParams

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from scan2seg.losses.common import Loss


class Params(LossParams):
    """Settings of the boundary loss; add it to a loss of regions, it says little far from a solution."""

    include_background: bool = True
    """Whether class 0 counts."""
    greatest_distance: float = Field(20.0, gt=0)
    """Distances beyond it, in pixels, count as it; the loss is divided by it and lies in -1..1 plus its offset."""


def build(params: Params, class_weights: "Tensor | None") -> "Loss":
    """Make the loss: the mean over classes and labelled pixels of p times the signed distance, less its least value.

    The distance is negative inside the class. The least value, that of the truth itself, is subtracted, so that
    a perfect prediction has loss 0. A class that an image does not hold is everywhere at the greatest distance.
    """
    import numpy as np

    from scan2seg.label_maps import LabelMaps
    from scan2seg.losses.common import class_mean, one_hot, pixel_factors, split_target

    known: dict[int, LabelMaps] = {}

    def measure(filled: "Tensor", classes: int) -> "Tensor":
        def make(labels: "NDArray[Any]") -> "NDArray[np.float32]":
            return signed_distance(
                labels == np.arange(classes).reshape(-1, *[1] * labels.ndim), params.greatest_distance
            )

        return known.setdefault(classes, LabelMaps(make)).of(filled)

    def loss(logits: "Tensor", target: "Tensor", pixel_weights: "Tensor | None" = None) -> "Tensor":
        filled, valid = split_target(target)
        truth = one_hot(filled, logits.shape[1])
        distance = measure(filled, logits.shape[1]) / params.greatest_distance
        factors = pixel_factors(filled, valid, None, pixel_weights).unsqueeze(1)
        excess = (logits.float().softmax(1) - truth) * distance * factors
        values = excess.flatten(2).sum((0, 2)) / factors.sum().clamp_min(1e-30)
        return class_mean(values, class_weights, params.include_background)

    return loss


def signed_distance(masks: "NDArray[np.bool_]", greatest: float) -> "NDArray[np.float32]":
    """Return the distance in pixels to the border of masks (K, *spatial), negative inside, cut at ``greatest``."""
    import numpy as np
    from scipy.ndimage import distance_transform_edt

    result = np.full(masks.shape, greatest, dtype=np.float32)
    for index, mask in enumerate(masks):
        if mask.all():
            result[index] = -greatest
        elif mask.any():
            outside = distance_transform_edt(~mask)
            # Pixel centres lie half a pixel from the border between them.
            result[index] = np.where(mask, 0.5 - distance_transform_edt(mask), outside - 0.5)
    return result.clip(-greatest, greatest)
