"""Grey values to network input; what is measured is measured on training patches alone, or on each image by itself."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import zarr
from numpy.typing import NDArray
from torch import Tensor, nn

from scan2seg.config.training import NormalisationSettings
from scan2seg.errors import InputError

_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Mean and standard deviation of ImageNet's colours, 0 to 1, that torchvision's and timm's encoders mostly expect."""

_HALF = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
_OTHERS = {"inceptionv4": _HALF, "inceptionresnetv2": _HALF, "xception": _HALF}
"""What segmentation_models_pytorch's own encoders expect where it is not that, by the beginning of their names."""


class Normalisation(nn.Module):
    """Repetition of channels, shift and scale: (N, C, ...) in the image's own values to (N, C', ...) float32.

    Its two buffers (C',) travel with the model's checkpoint, so that inference cannot use other numbers. With
    ``per_image`` shift and scale are 0 and 1, and images come standardised by ``standardise``: an image's own
    statistics cannot be known from the tiles that a network sees.
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, channels: int, *, per_image: bool = False, output_channels: int | None = None) -> None:
        """Start with shift 0 and scale 1 for the image's channels."""
        super().__init__()
        self.channels = channels
        self.per_image = per_image
        self.output_channels = output_channels
        self.register_buffer("shift", torch.zeros(output_channels or channels))
        self.register_buffer("scale", torch.ones(output_channels or channels))

    def forward(self, images: Tensor) -> Tensor:
        """Normalise a batch (N, C, ...)."""
        shape = (1, -1) + (1,) * (images.ndim - 2)
        repeated: Tensor = images[:, self._sources()] if self.output_channels else images
        return (repeated - self.shift.view(shape)) / self.scale.view(shape)

    def fill(self, shift: NDArray[Any], scale: NDArray[Any]) -> None:
        """Set shift and scale of the image's channels, or of the output's; a scale of 0 becomes 1."""
        for buffer, values in ((self.shift, shift), (self.scale, scale)):
            given = torch.as_tensor(values, dtype=torch.float32)
            buffer.copy_(given if len(given) == len(buffer) else given[self._sources()])
        self.scale[self.scale.abs() <= 1e-12] = 1.0

    def _sources(self) -> list[int]:
        """Return the channel of the image that each channel of the output repeats."""
        return [index % self.channels for index in range(len(self.shift))]


def fit_normalisation(
    settings: NormalisationSettings, image: zarr.Array[Any], indices: Sequence[int], encoder: str | None = None
) -> Normalisation:
    """Measure the statistics of the given patches, all of them or an even sample of 2000 slices, and build the module.

    Args:
        settings: the method.
        image: patches (p, c, y, x) or (p, c, z, y, x).
        indices: training patches.
        encoder: the name of the network's encoder, for ``imagenet``.

    Raises:
        InputError: the method is ``imagenet`` and the network has no encoder.
    """
    channels = image.shape[1]
    module = Normalisation(channels, per_image=settings.per_image, output_channels=settings.channels)
    if settings.method == "none" or settings.per_image:
        return module
    if settings.method == "scale":
        module.scale.fill_(settings.divisor or 255.0)
        return module
    depth = math.prod(image.shape[2:-2])
    step = max(1, len(indices) * depth // 2000)
    sample: NDArray[np.float32] = np.stack([np.asarray(image[int(index)]) for index in indices[::step]])
    values = np.moveaxis(sample, 1, 0).reshape(channels, -1)
    if settings.method == "standardise":
        module.fill(values.mean(axis=1, dtype=np.float64), values.std(axis=1, dtype=np.float64))
    elif settings.method == "imagenet":
        _fill_for_encoder(module, encoder, values, settings.divisor)
    else:
        low, high = np.percentile(values, settings.percentiles, axis=1)
        module.fill(low, high - low)
    return module


def _fill_for_encoder(
    module: Normalisation, encoder: str | None, values: NDArray[np.float32], divisor: float | None
) -> None:
    """Bring values to 0..1, then to what the encoder's library trained it with.

    Images that are not of three channels take the mean of the three colours.
    """
    if encoder is None:
        raise InputError("normalisation.method: imagenet is of an encoder, and the architecture has none")
    mean, deviation = (np.asarray(part) for part in encoder_statistics(encoder))
    if len(module.shift) != 3:
        mean, deviation = (np.full(len(module.shift), part.mean()) for part in (mean, deviation))
    low, span = (0.0, divisor) if divisor else find_range(values)
    module.fill(low + span * mean, span * deviation)


def find_range(values: NDArray[np.float32]) -> tuple[float, float]:
    """Return the value that becomes 0, and the distance to the one that becomes 1.

    Whole numbers from 0 are those of a type of 8 or 16 bits, whichever holds the greatest; numbers from 0 to 1 stay;
    others take the least and the greatest of the training images.
    """
    low, high = float(values.min()), float(values.max())
    if low >= 0 and high > 1 and high <= 65535 and np.array_equal(values, np.rint(values)):
        return 0.0, 255.0 if high <= 255 else 65535.0
    if low >= 0 and 0.5 < high <= 1:
        return 0.0, 1.0
    return low, (high - low) or 1.0


def encoder_statistics(encoder: str) -> tuple[Sequence[float], Sequence[float]]:
    """Return mean and standard deviation, of colours from 0 to 1, that an encoder's library normalises with."""
    if encoder.startswith(("tu-", "timm-")):
        import timm

        name = encoder.removeprefix("tu-").removeprefix("timm-")
        config = timm.get_pretrained_cfg(name)
        return (config.mean, config.std) if config is not None else _IMAGENET
    return next((found for beginning, found in _OTHERS.items() if encoder.startswith(beginning)), _IMAGENET)
