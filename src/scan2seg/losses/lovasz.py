"""Lovász-softmax loss (Berman et al. 2018): the convex continuation of 1 - IoU."""

from typing import TYPE_CHECKING, Literal

from scan2seg.losses.settings import LossParams

if TYPE_CHECKING:
    from torch import Tensor

    from scan2seg.losses.common import Loss


class Params(LossParams):
    """Settings of the Lovász-softmax loss; pixel weights do not enter it, but a weight of 0 leaves a pixel out."""

    per: Literal["batch", "sample"] = "batch"
    """Over what the IoU is taken: the batch, or each sample, then averaged."""
    classes: Literal["present", "all"] = "present"
    """``present``: classes that the batch (or sample) does not hold are left out of the mean."""


def build(params: Params, class_weights: "Tensor | None") -> "Loss":
    """Make the loss: the mean over classes, by their weights, of the Lovász extension of the IoU loss."""
    import torch

    from scan2seg.ignore import IGNORE

    def one(logits: "Tensor", target: "Tensor", keep: "Tensor") -> "Tensor":
        probability = logits.softmax(1).movedim(1, -1)[keep]
        truth = target[keep]
        losses, weights = [], []
        for index in range(probability.shape[1]):
            foreground = (truth == index).float()
            if params.classes == "present" and foreground.sum() == 0:
                continue
            errors, order = (foreground - probability[:, index]).abs().sort(descending=True)
            losses.append((errors * lovasz_gradient(foreground[order])).sum())
            weights.append(1.0 if class_weights is None else float(class_weights[index]))
        if not losses or truth.numel() == 0:
            return logits.sum() * 0
        share = torch.tensor(weights, device=logits.device)
        return (torch.stack(losses) * share).sum() / share.sum().clamp_min(torch.finfo(torch.float32).tiny)

    def loss(logits: "Tensor", target: "Tensor", pixel_weights: "Tensor | None" = None) -> "Tensor":
        keep = target != IGNORE
        if pixel_weights is not None:
            keep = keep & (pixel_weights > 0)
        logits = logits.float()
        if params.per == "batch":
            return one(logits, target, keep)
        parts = [one(logits[n : n + 1], target[n : n + 1], keep[n : n + 1]) for n in range(len(logits))]
        return torch.stack(parts).mean()

    return loss


def lovasz_gradient(foreground: "Tensor") -> "Tensor":
    """Return the gradient of the extended IoU loss at errors sorted from the greatest; foreground (P,) is 0 or 1."""
    import torch

    total = foreground.sum()
    union = total + (1 - foreground).cumsum(0)
    jaccard = 1 - (total - foreground.cumsum(0)) / union
    return torch.cat([jaccard[:1], jaccard[1:] - jaccard[:-1]])
