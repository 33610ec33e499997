"""Tversky loss (Salehi et al. 2017): Dice with false positives and false negatives weighed apart."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from scan2seg.losses.settings import LossParams

if TYPE_CHECKING:
    from torch import Tensor

    from scan2seg.losses.common import Loss


class Params(LossParams):
    """Settings of the Tversky loss."""

    false_positives: float = Field(0.3, ge=0)
    """alpha, weight of false positives; both 0.5 is the Dice loss."""
    false_negatives: float = Field(0.7, ge=0)
    """beta, weight of false negatives."""
    gamma: float = Field(1.0, gt=0)
    """Exponent of each class's loss, the focal Tversky loss where not 1."""
    per: Literal["batch", "sample"] = "batch"
    """Over what the counts are summed before the division."""
    include_background: bool = True
    """Whether class 0 counts."""
    smooth: float = Field(1e-5, gt=0)
    """Added to numerator and denominator."""


def build(params: Params, class_weights: "Tensor | None") -> "Loss":
    """Make the loss: 1 - (TP + s) / (TP + alpha FP + beta FN + s), the mean over classes by their weights."""
    from scan2seg.losses.common import class_mean, one_hot, pixel_factors, split_target

    def loss(logits: "Tensor", target: "Tensor", pixel_weights: "Tensor | None" = None) -> "Tensor":
        filled, valid = split_target(target)
        factors = pixel_factors(filled, valid, None, pixel_weights).flatten(1).unsqueeze(1)
        probability = logits.float().softmax(1).flatten(2)
        truth = one_hot(filled, logits.shape[1]).flatten(2)
        hits = (factors * probability * truth).sum(2)
        false_positives = (factors * probability * (1 - truth)).sum(2)
        false_negatives = (factors * (1 - probability) * truth).sum(2)
        if params.per == "batch":
            hits, false_positives, false_negatives = hits.sum(0), false_positives.sum(0), false_negatives.sum(0)
        wrong = params.false_positives * false_positives + params.false_negatives * false_negatives
        values = 1 - (hits + params.smooth) / (hits + wrong + params.smooth)
        values = values.clamp_min(1e-7) ** params.gamma if params.gamma != 1 else values
        return class_mean(values, class_weights, params.include_background)

    return loss
