"""The pixels of an epoch counted by true and predicted class, and the scores that follow from them."""

import torch
from torch import Tensor

from scan2seg.ignore import IGNORE
from scan2seg.training.processes import gather


class Confusion:
    """Counts pixels; rows are true classes, columns predicted ones."""

    def __init__(self, classes: int) -> None:
        """Start with none."""
        self.counts = torch.zeros(classes, classes, dtype=torch.int64)

    def add(self, logits: Tensor, labels: Tensor) -> None:
        """Count a batch.

        Args:
            logits: (n, class, ...).
            labels: (n, ...), with IGNORE where there is none.
        """
        classes, valid = len(self.counts), labels != IGNORE
        pairs = labels[valid].long() * classes + logits.argmax(dim=1)[valid]
        self.counts += torch.bincount(pairs, minlength=classes**2).view_as(self.counts).cpu()

    def take(self) -> dict[str, float]:
        """Return ``accuracy``, the share of right pixels, and ``mean_iou`` over the classes that the truth holds, of
        all processes together, which all must call it; start again."""
        counts = torch.stack(gather(self.counts)).sum(dim=0)
        self.clear()
        hits, truth = counts.diagonal().double(), counts.sum(1)
        union, present = counts.sum(0) + truth - counts.diagonal(), truth > 0
        if not present.any():
            return {"accuracy": 0.0, "mean_iou": 0.0}
        iou = hits[present] / union[present]
        return {"accuracy": float(hits.sum() / counts.sum()), "mean_iou": float(iou.mean())}

    def clear(self) -> None:
        """Forget what was counted."""
        self.counts.zero_()
