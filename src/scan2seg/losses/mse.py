"""Mean squared error of probabilities, or of grey levels as XLearn's baseline has it."""

from typing import TYPE_CHECKING, Literal

from scan2seg.losses.settings import LossParams

if TYPE_CHECKING:
    from torch import Tensor

    from scan2seg.losses.common import Loss

CLASSES_WEIGH_PIXELS = True


class Params(LossParams):
    """Settings of the mean squared error."""

    target: Literal["one_hot", "grey"] = "one_hot"
    """``one_hot``: the mean over classes of (p - t)^2; ``grey``: class k is the grey level k / (K - 1), and the
    probabilities' mean grey level is compared."""


def build(params: Params, class_weights: "Tensor | None") -> "Loss":
    """Make the loss: the mean over labelled pixels by the weights of their class and their own."""
    import torch

    from scan2seg.losses.common import one_hot, pixel_factors, split_target, weighted_mean

    def loss(logits: "Tensor", target: "Tensor", pixel_weights: "Tensor | None" = None) -> "Tensor":
        filled, valid = split_target(target)
        factors = pixel_factors(filled, valid, class_weights, pixel_weights)
        probability = logits.float().softmax(1)
        classes = logits.shape[1]
        if params.target == "one_hot":
            return weighted_mean((probability - one_hot(filled, classes)).square().mean(1), factors)
        levels = torch.linspace(0, 1, classes, device=logits.device)
        grey = (probability.movedim(1, -1) * levels).sum(-1)
        return weighted_mean((grey - levels[filled]).square(), factors)

    return loss
