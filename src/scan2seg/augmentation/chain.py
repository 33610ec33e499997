"""The augmentations of a recipe as one function."""

from collections.abc import Callable, Sequence

from torch import Tensor

from scan2seg.config.base import Chosen

Augmentation = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


def build_chain(chosen: Sequence[Chosen]) -> Augmentation:
    """Return a function that changes images (N, C, *spatial) and labels (N, *spatial) by each augmentation in turn.

    Args:
        chosen: the ``augmentation`` of a recipe; without any, images and labels come back as they are.
    """
    found = [(each.module, each.parameters) for each in chosen]

    def augment(images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        for plugin, params in found:
            images, labels = plugin.apply(params, images, labels)
        return images, labels

    return augment
