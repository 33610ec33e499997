"""Accuracy and mean IoU of an epoch equal scikit-learn's, over batches and without pixels that have no label."""

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, jaccard_score

from scan2seg.ignore import IGNORE
from scan2seg.training.confusion import Confusion


def test_the_scores_are_those_of_all_pixels_that_have_a_label() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(6, 4, 8, 9, generator=generator)
    labels = torch.randint(0, 3, (6, 8, 9), generator=generator)  # the fourth class is predicted, never true
    labels[torch.rand(labels.shape, generator=generator) < 0.2] = IGNORE
    counted = Confusion(4)
    for part in (slice(0, 4), slice(4, 6)):
        counted.add(logits[part], labels[part])
    found = counted.take()
    valid = (labels != IGNORE).numpy()
    truth, predicted = labels.numpy()[valid], logits.argmax(1).numpy()[valid]
    assert found["accuracy"] == pytest.approx(accuracy_score(truth, predicted))
    assert found["mean_iou"] == pytest.approx(jaccard_score(truth, predicted, labels=[0, 1, 2], average="macro"))
    counted.add(torch.eye(4)[None, :, :, None], torch.arange(4)[None, :, None])
    assert counted.take() == {"accuracy": 1.0, "mean_iou": 1.0}
    counted.add(logits, torch.full_like(labels, IGNORE))
    assert counted.take() == {"accuracy": 0.0, "mean_iou": 0.0} and not np.any(counted.counts.numpy())
