"""Border weight map of the U-Net paper (Ronneberger et al. 2015): narrow gaps between objects count more."""

from typing import TYPE_CHECKING, Any

from pydantic import Field

from scan2seg.config.base import Settings
from scan2seg.ignore import IGNORE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor


KEPT = True


class Params(Settings):
    """Settings of w(x) = w_c(x) + w0 exp(-(d1 + d2)^2 / (2 sigma^2)), the second part outside all objects.

    w_c is the class weight of ``training.class_weights``, 1 without. Weights that a loss makes of each batch multiply
    the sum."""

    w0: float = Field(10.0, ge=0)
    """Greatest extra weight."""
    sigma: float = Field(5.0, gt=0)
    """Width in pixels."""
    background: int = Field(0, ge=0)
    """Class that is no object. An object is a region of one other class that is connected along sides or corners."""


def relate(params: Params, class_weights: "Tensor") -> Params:
    """Divide w0 by the background's class weight, which losses multiply the map with: gaps are background throughout.

    Raises:
        InputError: the background has no weight, so that nothing can be added to it.
    """
    from scan2seg.errors import InputError

    weight = float(class_weights[params.background])
    if weight <= 0:
        raise InputError(
            f"weighting: unet_border adds to the class weight of background ({params.background}), which is {weight:g} "
            "in training.class_weights; make it greater than 0, or leave out unet_border"
        )
    return params.model_copy(update={"w0": params.w0 / weight})


def weigh(params: Params, labels: "Tensor") -> "Tensor":
    """Weigh pixels by 1 + w0 exp(...); d1 and d2 are the distances to the two nearest objects of the image."""
    import numpy as np
    import torch

    maps = labels.cpu().numpy()
    weights = np.stack([_weigh_one(params, one) for one in maps])
    return torch.from_numpy(weights).to(labels.device)


def _weigh_one(params: Params, labels: "NDArray[Any]") -> "NDArray[np.float32]":
    import numpy as np
    from scipy.ndimage import distance_transform_edt
    from skimage.measure import label, regionprops

    filled = np.where(labels == IGNORE, params.background, labels)
    objects = label(filled, background=params.background, connectivity=labels.ndim)
    weights = np.ones(labels.shape, np.float32)
    first = np.full(labels.shape, np.inf, np.float32)
    second = first.copy()
    reach = int(np.ceil(4 * params.sigma))
    for region in regionprops(objects):
        # Beyond four sigma an object adds nothing: only its neighbourhood is measured.
        low, high = region.bbox[: labels.ndim], region.bbox[labels.ndim :]
        box = tuple(slice(max(first - reach, 0), last + reach) for first, last in zip(low, high, strict=True))
        distance = distance_transform_edt(objects[box] != region.label).astype(np.float32)
        second[box] = np.minimum(second[box], np.maximum(first[box], distance))
        first[box] = np.minimum(first[box], distance)
    outside = objects == 0
    near = outside & np.isfinite(second)
    weights[near] += params.w0 * np.exp(-((first[near] + second[near]) ** 2) / (2 * params.sigma**2))
    return weights
