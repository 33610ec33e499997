"""Grey values to network input; what is measured is measured on training patches alone."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import zarr
from numpy.typing import NDArray
from torch import Tensor, nn

from scan2seg.config.training import NormalisationSettings


class Normalisation(nn.Module):
    """Shift, scale and repetition of channels: (N, C, ...) in the image's own values to (N, C', ...) float32.

    Its two buffers travel with the model's checkpoint, so that inference cannot use other numbers.
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, channels: int, *, per_image: bool = False, output_channels: int | None = None) -> None:
        """Start with shift 0 and scale 1 for the image's channels."""
        super().__init__()
        self.per_image = per_image
        self.output_channels = output_channels
        self.register_buffer("shift", torch.zeros(channels))
        self.register_buffer("scale", torch.ones(channels))

    def forward(self, images: Tensor) -> Tensor:
        """Normalise a batch (N, C, ...)."""
        if self.per_image:
            axes = tuple(range(2, images.ndim))
            mean = images.mean(dim=axes, keepdim=True)
            normalised = (images - mean) / images.std(dim=axes, keepdim=True).clamp_min(1e-6)
        else:
            shape = (1, -1) + (1,) * (images.ndim - 2)
            normalised = (images - self.shift.view(shape)) / self.scale.view(shape)
        wanted = self.output_channels
        if wanted is not None and wanted != normalised.shape[1]:
            repeats = -(-wanted // normalised.shape[1])
            normalised = normalised.repeat(1, repeats, *(1,) * (images.ndim - 2))[:, :wanted]
        return normalised


def fit_normalisation(settings: NormalisationSettings, image: zarr.Array[Any], indices: Sequence[int]) -> Normalisation:
    """Measure the statistics of the given patches, all of them or an even sample of 2000 slices, and build the module.

    Args:
        settings: the method.
        image: patches (p, c, y, x) or (p, c, z, y, x).
        indices: training patches.
    """
    channels = image.shape[1]
    module = Normalisation(channels, per_image=settings.per_image, output_channels=settings.channels)
    if settings.method == "none" or settings.per_image:
        return module
    if settings.method == "scale":
        module.scale.fill_(settings.divisor)
        return module
    depth = math.prod(image.shape[2:-2])
    step = max(1, len(indices) * depth // 2000)
    sample: NDArray[np.float32] = np.stack([np.asarray(image[int(index)]) for index in indices[::step]])
    values = np.moveaxis(sample, 1, 0).reshape(channels, -1)
    if settings.method == "standardise":
        shift, scale = values.mean(axis=1, dtype=np.float64), values.std(axis=1, dtype=np.float64)
    else:
        low, high = np.percentile(values, settings.percentiles, axis=1)
        shift, scale = low, high - low
    module.shift.copy_(torch.as_tensor(shift, dtype=torch.float32))
    module.scale.copy_(torch.as_tensor(np.where(scale > 1e-12, scale, 1.0), dtype=torch.float32))
    return module
