"""Scores against scikit-learn and plain loops."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from scan2seg.evaluation import metrics
from scan2seg.evaluation.confusion import confusion_matrix, overlap_counts
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
        both = sum((a == label) + (b == label) for a, b in pairs)
        if label not in truth:
            assert math.isnan(scores["iou"][label]) and math.isnan(scores["dice"][label])
            continue
        assert scores["iou"][label] == hits / union
        assert scores["dice"][label] == 2 * hits / both
    assert math.isnan(scores["iou"][4])
    present = [value for value in scores["iou"] if not math.isnan(value)]
    assert metrics.mean_present(scores["iou"]) == pytest.approx(sum(present) / len(present))
    assert metrics.mean_iou(overlap_counts(confusion_matrix(truth, guess, 5))) == metrics.mean_present(scores["iou"])


def test_images_without_foreground_score_zero_as_published_tables_do():
    empty = confusion_matrix(np.zeros((4, 4)), np.zeros((4, 4)), 2)
    scores = metrics.image_scores(empty)
    assert (scores["jaccard"], scores["f1"], scores["accuracy"], scores["mean_iou"]) == (0, 0, 1, 1)


def test_labels_out_of_range_are_errors():
    with pytest.raises(ValueError, match="label 3"):
        confusion_matrix(np.zeros(4), np.array([0, 1, 3, 0]), 3)
    with pytest.raises(ValueError, match="shape"):
        confusion_matrix(np.zeros(4), np.zeros(5), 3)


def test_one_stray_pixel_costs_one_pixel_and_not_a_third_of_the_score():
    truth = np.repeat([0, 1], 500)
    guess = truth.copy()
    guess[0] = 2
    matrix = confusion_matrix(truth, guess, 3)
    scores = metrics.class_scores(matrix)
    assert metrics.mean_present(scores["iou"]) == pytest.approx((499 / 500 + 1) / 2)
    assert metrics.mean_iou(overlap_counts(matrix)) == metrics.mean_present(scores["iou"])
    assert metrics.image_scores(matrix)["mean_iou"] == metrics.mean_present(scores["iou"])
    assert metrics.stray_pixels(matrix).tolist() == [0, 0, 1]
    assert all(math.isnan(values[2]) for values in scores.values())


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
    pair[0].add(truth, known, 0.5)
    pair[1].add(guess, known, 0.5)
    found = compare(*pair, ["matrix", "particle"], "micrometre")["classes"]["particle"]
    assert (found["truth"]["particles"], found["prediction"]["particles"]) == (3, 2)
    assert found["truth"]["mean_diameter"] == pytest.approx(0.5 * (20 + 20 + 30) / 3, rel=0.02)
    assert found["prediction"]["median_diameter"] == pytest.approx(10, rel=0.02)
    assert found["truth"]["phase_fraction"] == pytest.approx(truth.mean())
    assert found["error"]["phase_fraction"] == pytest.approx(guess.mean() - truth.mean())
    assert found["error"]["particles"] == pytest.approx(-1 / 3)
    assert found["error"]["size_distribution_distance"] == pytest.approx(1 / 3)


def test_images_of_unlike_pixel_size_are_measured_each_with_its_own():
    coarse = np.zeros((40, 40), dtype=np.uint8)
    coarse[10:20, 10:20] = 1
    fine = np.kron(coarse, np.ones((2, 2), np.uint8))
    both = Microstructure(2)
    both.add(coarse, np.ones_like(coarse, bool), 2.0)
    both.add(fine, np.ones_like(fine, bool), 1.0)
    found = both.describe(1)
    diameter = np.sqrt(4 * 400 / np.pi)
    assert found["mean_diameter"] == pytest.approx(diameter)
    assert found["diameter_10"] == pytest.approx(diameter) and found["diameter_90"] == pytest.approx(diameter)
    assert found["phase_fraction"] == pytest.approx(1 / 16)
