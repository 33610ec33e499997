"""Border weight map of the U-Net paper (Ronneberger et al. 2015): narrow gaps between objects count more."""

from typing import TYPE_CHECKING, Any

from pydantic import Field

from scan2seg.config.base import Settings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor


class Params(Settings):
    """Settings of w(x) = 1 + w0 exp(-(d1 + d2)^2 / (2 sigma^2)), outside all objects; class weights come on top."""

    w0: float = Field(10.0, ge=0)
    """Greatest extra weight."""
    sigma: float = Field(5.0, gt=0)
    """Width in pixels."""
    background: int = Field(0, ge=0)
    """Class that is no object. An object is a connected region (8 neighbours) of one other class."""


def weigh(params: Params, labels: "Tensor") -> "Tensor":
    """Weigh pixels; d1 and d2 are the distances to the nearest and second nearest object of the image."""
    import numpy as np
    import torch

    maps = labels.cpu().numpy()
    weights = np.stack([_weigh_one(params, one) for one in maps.reshape(-1, *maps.shape[-2:])])
    return torch.from_numpy(weights.reshape(maps.shape)).to(labels.device)


def _weigh_one(params: Params, labels: "NDArray[Any]") -> "NDArray[np.float32]":
    import numpy as np
    from scipy.ndimage import distance_transform_edt
    from skimage.measure import label, regionprops

    objects = label(np.where(labels == 255, params.background, labels), background=params.background, connectivity=2)
    weights = np.ones(labels.shape, np.float32)
    first = np.full(labels.shape, np.inf, np.float32)
    second = first.copy()
    reach = int(np.ceil(4 * params.sigma))
    for region in regionprops(objects):
        # Beyond four sigma an object adds nothing: only its neighbourhood is measured.
        top, left, bottom, right = region.bbox
        box = np.s_[max(top - reach, 0) : bottom + reach, max(left - reach, 0) : right + reach]
        distance = distance_transform_edt(objects[box] != region.label).astype(np.float32)
        second[box] = np.minimum(second[box], np.maximum(first[box], distance))
        first[box] = np.minimum(first[box], distance)
    outside = objects == 0
    near = outside & np.isfinite(second)
    weights[near] += params.w0 * np.exp(-((first[near] + second[near]) ** 2) / (2 * params.sigma**2))
    return weights
