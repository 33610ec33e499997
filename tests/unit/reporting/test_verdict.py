"""What the page says of the winner follows from the test, its units and nothing else."""

from dataclasses import replace

import numpy as np
import pytest

from scan2seg.evaluation.confusion import confusion_matrix, overlap_counts
from scan2seg.evaluation.metrics import class_scores, mean_iou, mean_present
from scan2seg.evaluation.ranking import rank
from scan2seg.evaluation.runs import Images, Run
from scan2seg.reporting.answer import lead_of_the_winner


def run(model, errors, groups):
    generator = np.random.default_rng(sum(model.encode()))
    truth = np.random.default_rng(0).integers(0, 2, (len(groups), 400))
    guess = np.where(generator.random(truth.shape) < errors, 1 - truth, truth)
    matrices = np.array([confusion_matrix(*pair, 2) for pair in zip(truth, guess, strict=True)])
    iou = mean_present(class_scores(matrices.sum(0))["iou"])
    metrics = {"dataset": "d", "model": model, "replicate": "seed0", "mean_iou": iou, "stray_pixels": {}}
    counts = overlap_counts(matrices)
    names = [str(place) for place in range(len(groups))]
    images = Images(np.arange(len(groups)), names, groups, counts, mean_iou(counts))
    return Run({**metrics, "classes": {"a": {}, "b": {}}}, {}, {}, images)


@pytest.mark.parametrize(
    ("groups", "errors", "said"),
    [
        (list("aaaabbbbcccc"), 0.4, "With 3 groups, fewer than 6, nothing can be said"),
        (list("aabbccddeeff"), 0.4, "over 6 groups 0."),
        (list("aabbccddeeff"), 0.4, "p = 0.031): the test images tell the two apart."),
        (list("aabbccddeeff"), 0.1, "): the test images do not tell the two apart."),
        ([str(place) for place in range(12)], 0.4, "over 12 images"),
        ([str(place) for place in range(12)], 0.4, "p < 0.001): the test images tell the two apart."),
    ],
)
def test_the_verdict_names_the_units_and_follows_p(groups, errors, said):
    rows = rank([run("good", 0.1, groups), run("other", errors, groups)], None)["d"]
    assert said in lead_of_the_winner(rows)
    assert lead_of_the_winner(rows[:1]) == ""
    assert lead_of_the_winner([rows[0], rows[0]]) == "{0} and {0} have the same mean IoU.".format(rows[0].model)


def test_a_lead_too_small_to_be_written_is_not_written_as_nothing():
    rows = rank([run("good", 0.1, list("abc")), run("other", 0.2, list("abc"))], None)["d"]
    close = replace(rows[1], mean=rows[0].mean - 0.0002)
    assert "good leads other by less than 0.001 in mean IoU." in lead_of_the_winner([rows[0], close])
