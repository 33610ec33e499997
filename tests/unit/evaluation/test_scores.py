"""Scores against scikit-learn and plain loops."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from scan2seg.evaluation import metrics, statistics
from scan2seg.evaluation.confusion import confusion_matrix, intersections_and_unions
from scan2seg.evaluation.microstructure import Microstructure, compare


@pytest.mark.parametrize("classes", [2, 4])
def test_image_scores_agree_with_scikit_learn(classes):
    generator = np.random.default_rng(classes)
    truth = generator.integers(0, classes, (40, 30)).astype(np.uint8)
    guess = np.where(generator.random((40, 30)) < 0.7, truth, generator.integers(0, classes, (40, 30)))
    known = generator.random((40, 30)) < 0.9
    matrix = confusion_matrix(np.where(known, truth, 255), guess, classes)
    found = metrics.image_scores(matrix)
    true, predicted = truth[known], guess[known]
    assert matrix.tolist() == sk.confusion_matrix(true, predicted).tolist()
    options = {"average": "binary" if classes == 2 else "macro", "zero_division": 0}
    assert found["accuracy"] == pytest.approx(sk.accuracy_score(true, predicted))
    assert found["f1"] == pytest.approx(sk.f1_score(true, predicted, **options))
    assert found["jaccard"] == pytest.approx(sk.jaccard_score(true, predicted, **options))
    assert found["recall"] == pytest.approx(sk.recall_score(true, predicted, **options))
    assert found["precision"] == pytest.approx(sk.precision_score(true, predicted, **options))
    assert found["mean_iou"] == pytest.approx(sk.jaccard_score(true, predicted, average="macro"))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=40))
def test_class_scores_agree_with_a_plain_loop(pairs):
    truth, guess = (np.array(values) for values in zip(*pairs, strict=True))
    scores = metrics.class_scores(confusion_matrix(truth, guess, 5))
    for label in range(5):
        hits = sum(a == b == label for a, b in pairs)
        union = sum(label in pair for pair in pairs)
        assert math.isnan(scores["iou"][label]) if not union else scores["iou"][label] == hits / union
        both = sum((a == label) + (b == label) for a, b in pairs)
        assert math.isnan(scores["dice"][label]) if not both else scores["dice"][label] == 2 * hits / both
    assert math.isnan(scores["iou"][4])
    present = [value for value in scores["iou"] if not math.isnan(value)]
    assert metrics.mean_present(scores["iou"]) == pytest.approx(sum(present) / len(present))


def test_images_without_foreground_score_zero_as_published_tables_do():
    empty = confusion_matrix(np.zeros((4, 4)), np.zeros((4, 4)), 2)
    scores = metrics.image_scores(empty)
    assert (scores["jaccard"], scores["f1"], scores["accuracy"], scores["mean_iou"]) == (0, 0, 1, 1)


def test_labels_out_of_range_are_errors():
    with pytest.raises(ValueError, match="label 3"):
        confusion_matrix(np.zeros(4), np.array([0, 1, 3, 0]), 3)
    with pytest.raises(ValueError, match="shape"):
        confusion_matrix(np.zeros(4), np.zeros(5), 3)


def test_bootstrap_agrees_with_a_plain_loop_and_repeats():
    generator = np.random.default_rng(0)
    matrices = np.array([confusion_matrix(*generator.integers(0, 3, (2, 200)), 3) for _ in range(12)])
    counts = intersections_and_unions(matrices)
    low, high = statistics.bootstrap_mean_iou(*counts)
    drawn = []
    for _ in range(1000):
        matrix = matrices[generator.integers(0, 12, 12)].sum(0)
        drawn.append(metrics.mean_present(metrics.class_scores(matrix)["iou"]))
    assert [low, high] == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=0.004)
    assert (low, high) == statistics.bootstrap_mean_iou(*counts)
    assert statistics.bootstrap_mean_iou(counts[0][:1], counts[1][:1]) is None


def test_holm_on_a_worked_example_and_paired_test_of_equal_scores():
    assert statistics.holm([0.01, None, 0.04, 0.03]) == pytest.approx([0.03, None, 0.06, 0.06])
    assert statistics.paired_test(np.ones(9), np.ones(9)) == 1.0
    assert statistics.paired_test(np.linspace(0.5, 0.9, 20), np.linspace(0.4, 0.8, 20) - 0.01) < 0.001


def test_microstructure_of_drawn_discs():
    yy, xx = np.mgrid[:100, :100]
    truth = np.zeros((100, 100), dtype=np.uint8)
    for y, x, radius in ((25, 25, 10), (25, 75, 10), (75, 50, 15)):
        truth[(yy - y) ** 2 + (xx - x) ** 2 <= radius**2] = 1
    guess = truth.copy()
    guess[60:] = 0  # one particle lost
    guess[0, 0] = 1  # smaller than a particle
    known = np.ones((100, 100), dtype=bool)
    pair = Microstructure(2), Microstructure(2)
    pair[0].add(truth, known)
    pair[1].add(guess, known)
    found = compare(*pair, ["matrix", "particle"], pixel_size=0.5)["classes"]["particle"]
    assert (found["truth"]["particles"], found["prediction"]["particles"]) == (3, 2)
    assert found["truth"]["mean_diameter"] == pytest.approx(0.5 * (20 + 20 + 30) / 3, rel=0.02)
    assert found["prediction"]["median_diameter"] == pytest.approx(10, rel=0.02)
    assert found["truth"]["phase_fraction"] == pytest.approx(truth.mean())
    assert found["error"]["phase_fraction"] == pytest.approx(guess.mean() - truth.mean())
    assert found["error"]["particles"] == pytest.approx(-1 / 3)
    assert found["error"]["size_distribution_distance"] == pytest.approx(1 / 3)
