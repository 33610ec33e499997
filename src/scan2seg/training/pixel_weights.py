"""Weights of single pixels of a recipe: related to its class weights, and kept where making them takes long."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from scan2seg.config.base import Chosen
from scan2seg.label_maps import LabelMaps


class PixelWeights:
    """The product of all weightings of a recipe, for losses of one kind."""

    def __init__(self, chosen: Sequence[Chosen], class_weights: Tensor | None) -> None:
        """Prepare the plugins of ``weighting``.

        Args:
            chosen: the plugins and their settings.
            class_weights: (k,) with which the losses multiply the weights of pixels; None where they do not.

        Raises:
            InputError: a plugin cannot be had with these class weights.
        """
        self._weigh = [_build(one, class_weights) for one in chosen]

    def __call__(self, labels: Tensor) -> Tensor | None:
        """Return the weights of the pixels of labels (N, *spatial); None where the recipe has none."""
        weights: Tensor | None = None
        for weigh in self._weigh:
            factor = weigh(labels)
            weights = factor if weights is None else weights * factor
        return weights


def _build(chosen: Chosen, class_weights: Tensor | None) -> Callable[[Tensor], Tensor]:
    weigh, parameters = chosen.module.weigh, chosen.parameters
    if class_weights is not None and (relate := getattr(chosen.module, "relate", None)):
        parameters = relate(parameters, class_weights)
    if not getattr(chosen.module, "KEPT", False):
        return lambda labels: weigh(parameters, labels)
    return LabelMaps(lambda labels: weigh(parameters, torch.from_numpy(labels)[None])[0].numpy()).of
