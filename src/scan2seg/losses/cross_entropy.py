"""Cross-entropy of the softmax, with label smoothing and class weights."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from scan2seg.losses.settings import LossParams

if TYPE_CHECKING:
    from torch import Tensor

    from scan2seg.losses.common import Loss

CLASSES_WEIGH_PIXELS = True


class Params(LossParams):
    """Settings of the cross-entropy."""

    label_smoothing: float = Field(0.0, ge=0, lt=1)
    """This share of the target is spread evenly over all classes."""
    class_balance: Literal["none", "batch"] = "none"
    """``batch``: further weight every class by the inverse of its share of the batch's labelled pixels, over the
    number of classes: a class with share 1 / K has weight 1."""
    background_factor: float | None = Field(None, gt=0)
    """alpha_bg: with ``class_balance: batch`` the weight of class 0 is alpha_bg times its share of the batch
    instead; published values are 0.01 to 0.5."""


def build(params: Params, class_weights: "Tensor | None") -> "Loss":
    """Make the loss: the mean over labelled pixels by their weights (class weight times pixel weight)."""
    from torch.nn import functional as F

    from scan2seg.losses.common import pixel_factors, split_target, weighted_mean

    def loss(logits: "Tensor", target: "Tensor", pixel_weights: "Tensor | None" = None) -> "Tensor":
        filled, valid = split_target(target)
        weights = class_weights
        if params.class_balance == "batch":
            balance = batch_weights(filled, valid, logits.shape[1], params.background_factor)
            weights = balance if weights is None else balance * weights.to(balance)
        # The smoothed part weighs every class by its own weight, as in torch's own definition.
        values = F.cross_entropy(
            logits.float(),
            filled,
            weight=None if weights is None else weights.to(logits.device, logits.float().dtype),
            label_smoothing=params.label_smoothing,
            reduction="none",
        )
        own = pixel_factors(filled, valid, None, pixel_weights)
        total = pixel_factors(filled, valid, weights, pixel_weights)
        return weighted_mean(values, own) * own.sum() / total.sum().clamp_min(1e-30)

    return loss


def batch_weights(target: "Tensor", valid: "Tensor", classes: int, background_factor: float | None) -> "Tensor":
    """Return the weights (K,) of a batch by its own class shares; a class that is absent has weight 0."""
    import torch

    counts = torch.zeros(classes, device=target.device).scatter_add_(0, target.flatten(), valid.flatten())
    shares = counts / counts.sum().clamp_min(1)
    weights = torch.where(counts > 0, 1 / (classes * shares.clamp_min(1e-12)), 0.0)
    if background_factor is not None:
        weights[0] = background_factor * shares[0]
    return weights
