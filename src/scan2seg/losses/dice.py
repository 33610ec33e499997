"""Soft Dice loss (Milletari et al. 2016)."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from scan2seg.losses.settings import LossParams

if TYPE_CHECKING:
    from torch import Tensor

    from scan2seg.losses.common import Loss


class Params(LossParams):
    """Settings of the Dice loss."""

    per: Literal["batch", "sample"] = "batch"
    """Over what overlap and sizes are summed before the division: the whole batch, steadier where small objects
    are missing from many patches, or each sample on its own, then averaged."""
    include_background: bool = True
    """Whether class 0 counts; without it a binary loss is the foreground's alone."""
    squared: bool = False
    """Square the probabilities in the denominator, as in V-Net."""
    smooth: float = Field(1e-5, gt=0)
    """Added to numerator and denominator: a class without a pixel in truth and prediction has loss 0."""


def build(params: Params, class_weights: "Tensor | None") -> "Loss":
    """Make the loss: 1 - (2 sum(p t) + s) / (sum(p) + sum(t) + s), the mean over classes by their weights."""
    from scan2seg.losses.common import class_mean, counted_pixels, one_hot, split_target

    def loss(logits: "Tensor", target: "Tensor", pixel_weights: "Tensor | None" = None) -> "Tensor":
        filled, valid = split_target(target)
        factors = counted_pixels(valid, pixel_weights)
        probability = logits.float().softmax(1).flatten(2)
        truth = one_hot(filled.flatten(1), logits.shape[1])
        counted = probability**2 if params.squared else probability
        if factors is not None:
            factors = factors.flatten(1).unsqueeze(1)
            truth, counted = truth * factors, counted * factors
        overlap, size = (probability * truth).sum(2), counted.sum(2) + truth.sum(2)
        if params.per == "batch":
            overlap, size = overlap.sum(0), size.sum(0)
        values = 1 - (2 * overlap + params.smooth) / (size + params.smooth)
        return class_mean(values, class_weights, params.include_background)

    return loss
