"""Denoising of single images by the same steps as volumes."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from scan2seg.config.base import Chosen


def denoise_image(planes: NDArray[np.float32], steps: Sequence[Chosen]) -> NDArray[np.float32]:
    """Denoise each channel of an image (c, y, x) as a volume of one slice; without steps it comes back as it is.

    Args:
        planes: the image.
        steps: in two dimensions, in order. Each measures what it
            needs, such as the noise level, on the channel as the steps before it leave it.
    """
    return np.stack([_denoise_plane(plane, steps) for plane in planes]) if steps else planes


def _denoise_plane(plane: NDArray[np.float32], steps: Sequence[Chosen]) -> NDArray[np.float32]:
    block: NDArray[np.float32] = np.ascontiguousarray(plane[None], np.float32)
    for step in steps:
        plugin, params = step.module, step.parameters
        measured = plugin.measure(block, params) if hasattr(plugin, "measure") else {}
        block = plugin.denoise(block, params, measured, 1)
    result: NDArray[np.float32] = block[0]
    return result
