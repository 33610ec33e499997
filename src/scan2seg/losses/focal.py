"""Focal loss (Lin et al. 2017): cross-entropy that counts what is already right less."""

from typing import TYPE_CHECKING

from pydantic import Field

from scan2seg.losses.settings import LossParams

if TYPE_CHECKING:
    from torch import Tensor

    from scan2seg.losses.common import Loss

CLASSES_WEIGH_PIXELS = True


class Params(LossParams):
    """Settings of the focal loss."""

    gamma: float = Field(2.0, ge=0)
    """Exponent; 0 is the cross-entropy."""


def build(params: Params, class_weights: "Tensor | None") -> "Loss":
    """Make the loss: the mean over labelled pixels of -(1 - p)^gamma log p, p of the true class, by their weights."""
    from scan2seg.losses.common import pixel_factors, split_target, weighted_mean

    def loss(logits: "Tensor", target: "Tensor", pixel_weights: "Tensor | None" = None) -> "Tensor":
        filled, valid = split_target(target)
        log_p = logits.float().log_softmax(1).gather(1, filled.unsqueeze(1)).squeeze(1)
        # Clamped, for a power below 1 has no finite gradient at 0.
        values = -((1 - log_p.exp()).clamp_min(1e-6) ** params.gamma) * log_p
        return weighted_mean(values, pixel_factors(filled, valid, class_weights, pixel_weights))

    return loss
