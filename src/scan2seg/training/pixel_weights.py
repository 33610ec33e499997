"""Weights of single pixels of a recipe: related to its class weights, and kept where making them takes long."""

from collections.abc import Callable

import torch
from torch import Tensor

from scan2seg.config.base import Chosen
from scan2seg.label_maps import LabelMaps


def build_weighting(chosen: Chosen, class_weights: Tensor | None) -> Callable[[Tensor], Tensor]:
    """Return what weighs the pixels of labels (N, *spatial), with which losses multiply the class weights.

    Args:
        chosen: the plugin of ``weighting`` and its settings.
        class_weights: of the recipe, (k,), or None.

    Raises:
        InputError: the plugin cannot be had with these class weights.
    """
    weigh, parameters = chosen.module.weigh, chosen.parameters
    if class_weights is not None and (relate := getattr(chosen.module, "relate", None)):
        parameters = relate(parameters, class_weights)
    if not getattr(chosen.module, "KEPT", False):
        return lambda labels: weigh(parameters, labels)
    return LabelMaps(lambda labels: weigh(parameters, torch.from_numpy(labels)[None])[0].numpy()).of
