"""Binary cross-entropy: of the logit difference for two classes, one class against the rest for more."""

from typing import TYPE_CHECKING

from scan2seg.losses.settings import LossParams

if TYPE_CHECKING:
    from torch import Tensor

    from scan2seg.losses.common import Loss

CLASSES_WEIGH_PIXELS = True


class Params(LossParams):
    """Settings of the binary cross-entropy."""


def build(params: Params, class_weights: "Tensor | None") -> "Loss":
    """Make the loss: the mean over classes and labelled pixels of -t log p - (1 - t) log(1 - p).

    p is the softmax, so for two classes it is the sigmoid of the logits' difference, and the prediction that is
    trained is the one that is read. Weights are those of the pixel's true class.
    """
    import torch

    from scan2seg.losses.common import one_hot, pixel_factors, split_target, weighted_mean

    def loss(logits: "Tensor", target: "Tensor", pixel_weights: "Tensor | None" = None) -> "Tensor":
        filled, valid = split_target(target)
        factors = pixel_factors(filled, valid, class_weights, pixel_weights)
        logits = logits.float()
        if logits.shape[1] == 2:
            values = torch.nn.functional.binary_cross_entropy_with_logits(
                logits[:, 1] - logits[:, 0], (filled == 1).float(), reduction="none"
            )
            return weighted_mean(values, factors)
        log_p = logits.log_softmax(1)
        values = -torch.where(one_hot(filled, logits.shape[1]).bool(), log_p, log_complement(logits, log_p))
        return weighted_mean(values.mean(1), factors)

    return loss


def log_complement(logits: "Tensor", log_p: "Tensor") -> "Tensor":
    """Return log(1 - softmax) (N, K, ...), exact also where the softmax rounds to 1.

    Only the likeliest class can have p > 1/2; for it the complement is summed over the other classes.
    """
    import torch

    top = logits.argmax(1, keepdim=True)
    others = logits.scatter(1, top, -torch.inf).logsumexp(1, keepdim=True) - logits.logsumexp(1, keepdim=True)
    is_top = torch.zeros_like(logits, dtype=torch.bool).scatter(1, top, True)
    return torch.where(is_top, others, torch.log1p(-torch.where(is_top, -1.0, log_p).exp()))
