"""The augmentations of a recipe as one function."""

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from scan2seg import plugins
from scan2seg.config.base import plugin_params

Augmentation = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


def build_chain(settings: Sequence[dict[str, Any]]) -> Augmentation:
    """Return a function that changes images (N, C, *spatial) and labels (N, *spatial) by each augmentation in turn.

    Args:
        settings: the resolved ``augmentation`` of a recipe; without any, images and labels come back as they are.
    """
    found = [(plugins.load("augmentation", item["method"]), plugin_params("augmentation", item)) for item in settings]

    def augment(images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        for plugin, params in found:
            images, labels = plugin.apply(params, images, labels)
        return images, labels

    return augment
