"""Every measure against scikit-learn, MONAI, SciPy or a plain loop."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from sklearn import metrics as sk

from scan2seg.evaluation.confusion import confusion_matrix
from scan2seg.evaluation.measures.agreement import balanced_accuracy, cohens_kappa
from scan2seg.evaluation.measures.calibration import Reliability
from scan2seg.evaluation.measures.controls import negative_control, positive_control
from scan2seg.evaluation.measures.particles import Detections, detect_particles
from scan2seg.evaluation.measures.position import EdgeCounts, edge_distance
from scan2seg.evaluation.measures.rank_tests import compare_ranks, seeds_needed
from scan2seg.evaluation.measures.surfaces import surface_distances
from scan2seg.evaluation.measures.uncertainty import map_disagreement, map_uncertainty
from scan2seg.evaluation.metrics import class_scores, mean_present


def draw_blobs(seed, shape=(40, 48)):
    """Return two smooth masks that overlap in part."""
    from scipy.ndimage import gaussian_filter

    generator = np.random.default_rng(seed)
    field = gaussian_filter(generator.normal(size=shape), 3)
    other = field + 0.4 * gaussian_filter(generator.normal(size=shape), 2)
    return field > 0.06, other > 0.06


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3)), min_size=2, max_size=60))
def test_agreement_agrees_with_scikit_learn(pairs):
    truth, guess = (np.array(values) for values in zip(*pairs, strict=True))
    matrix = confusion_matrix(truth, guess, 4)
    kappa = cohens_kappa(matrix)
    if len(set(truth.tolist()) | set(guess.tolist())) > 1:
        assert kappa == pytest.approx(sk.cohen_kappa_score(truth, guess))
    else:
        assert math.isnan(kappa)
    recall = sk.recall_score(truth, guess, labels=sorted(set(truth.tolist())), average="macro", zero_division=0)
    assert balanced_accuracy(matrix) == pytest.approx(recall)
    assert math.isnan(balanced_accuracy(np.zeros((3, 3)))) and math.isnan(cohens_kappa(np.zeros((3, 3))))


@pytest.mark.parametrize(("shape", "spacing"), [((40, 48), (1.0, 1.0)), ((12, 20, 18), (2.5, 0.5, 0.7))])
def test_surface_distances_agree_with_monai(shape, spacing):
    import torch
    from monai.metrics import compute_average_surface_distance, compute_hausdorff_distance

    truth, guess = draw_blobs(3, shape)
    found = surface_distances(truth, guess, spacing)
    tensors = [torch.from_numpy(np.stack([~mask, mask])[None].astype(np.float32)) for mask in (guess, truth)]
    hausdorff = compute_hausdorff_distance(*tensors, percentile=95, spacing=list(spacing))
    average = compute_average_surface_distance(*tensors, symmetric=True, spacing=list(spacing))
    assert found.hausdorff() == pytest.approx(float(hausdorff), rel=1e-5)
    assert found.average() == pytest.approx(float(average), rel=1e-5)


@pytest.mark.parametrize("seed", range(4))
def test_boundary_f1_agrees_with_all_pairs_of_distances(seed):
    truth, guess = draw_blobs(seed)
    points = []
    for mask in (truth, guess):
        padded = np.pad(mask, 1)
        inner = padded[1:-1, 1:-1] & padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
        points.append(np.argwhere(mask & ~inner))
    pairs = cdist(*points)
    recall, precision = (pairs.min(1) <= 2).mean(), (pairs.min(0) <= 2).mean()
    found = surface_distances(truth, guess)
    assert found.boundary_f1(2) == pytest.approx(2 * precision * recall / (precision + recall))
    assert found.hausdorff(100) == pytest.approx(max(pairs.min(1).max(), pairs.min(0).max()))


def test_a_missed_region_has_no_distance_and_equal_ones_have_none_to_go():
    truth, empty = draw_blobs(0)[0], np.zeros((40, 48), bool)
    assert not surface_distances(truth, empty)
    assert math.isnan(surface_distances(truth, empty).hausdorff())
    same = surface_distances(truth, truth)
    assert (same.hausdorff(), same.average(), same.boundary_f1(0)) == (0, 0, 1)
    with pytest.raises(ValueError, match="shape"):
        surface_distances(truth, empty[:5])


@pytest.mark.parametrize("seed", range(6))
def test_particles_agree_with_a_plain_loop(seed):
    from scipy.ndimage import label

    truth, guess = draw_blobs(seed)
    square = np.ones((3, 3))
    true, found = (
        [mask == number for number in range(1, count + 1)]
        for mask, count in (label(truth, square), label(guess, square))
    )
    true, found = ([one for one in many if one.sum() >= 4] for many in (true, found))
    overlaps = [(a & b).sum() / (a | b).sum() for a in true for b in found]
    matches = [value for value in overlaps if value > 0.5]
    result = detect_particles(truth, guess, minimum_size=4)
    assert result == Detections(
        len(matches), len(true) - len(matches), len(found) - len(matches), pytest.approx(sum(matches))
    )
    assert result.f1() == pytest.approx(2 * len(matches) / (len(true) + len(found)))
    expected = sum(matches) / (len(matches) + 0.5 * (len(true) + len(found) - 2 * len(matches)))
    assert result.panoptic_quality() == pytest.approx(expected)
    assert math.isnan(Detections().panoptic_quality()) and Detections(missed=2).panoptic_quality() == 0


def test_touching_particles_are_one_and_small_ones_are_none():
    truth = np.zeros((20, 20), bool)
    truth[2:8, 2:8] = truth[12:18, 12:18] = True
    joined = truth.copy()
    for step in range(8, 12):
        joined[step, step] = True
    found = detect_particles(truth, joined)
    assert (found.matched, found.missed, found.invented) == (0, 2, 1)
    noisy = truth.copy()
    noisy[0, 19] = True
    assert detect_particles(truth, noisy, minimum_size=2) == Detections(2, 0, 0, 2.0)


def test_calibration_agrees_with_a_plain_loop_and_torchmetrics_and_ignores_unknown_pixels():
    import torch
    from torchmetrics.functional.classification import multiclass_calibration_error

    generator = np.random.default_rng(1)
    probabilities = generator.dirichlet([1, 1, 1], (30, 20)).transpose(2, 0, 1)
    truth = generator.integers(0, 3, (30, 20)).astype(np.uint8)
    truth[:2] = 255
    counts = Reliability(bins=10)
    counts.add(truth[:15], probabilities[:, :15])
    counts.add(truth[15:], probabilities[:, 15:])
    confidence, hit = probabilities.max(0)[2:], (probabilities.argmax(0) == truth)[2:]
    error = 0.0
    for step in range(10):
        chosen = (confidence > step / 10) & (confidence <= (step + 1) / 10)
        assert counts.pixels[step] == chosen.sum()
        if chosen.any():
            error += chosen.sum() / hit.size * abs(hit[chosen].mean() - confidence[chosen].mean())
            assert counts.accuracy()[step] == pytest.approx(hit[chosen].mean())
    assert counts.expected_error() == pytest.approx(error)
    expected = multiclass_calibration_error(
        torch.from_numpy(probabilities[None]), torch.from_numpy(truth[None].astype(int)), 3, n_bins=10, ignore_index=255
    )
    assert counts.expected_error() == pytest.approx(float(expected), abs=1e-6)


def test_probabilities_that_tell_the_truth_are_calibrated():
    generator = np.random.default_rng(2)
    share = generator.uniform(0.5, 1, (400, 400))
    truth = (generator.random((400, 400)) > share).astype(np.uint8)
    honest, boasting = Reliability(), Reliability()
    honest.add(truth, np.stack([share, 1 - share]))
    boasting.add(truth, np.stack([share**0.2, 1 - share**0.2]))
    assert honest.expected_error() < 0.01 < 0.1 < boasting.expected_error()


def test_uncertainty_and_disagreement_maps():
    from scipy.stats import entropy

    probabilities = np.random.default_rng(0).dirichlet([1, 1, 1, 1], (5, 6)).transpose(2, 0, 1)
    probabilities[:, 0, 0] = [1, 0, 0, 0]
    assert np.allclose(map_uncertainty(probabilities), entropy(probabilities, axis=0, base=4), atol=1e-6)
    labels = [np.array([0, 0, 0, 1]), np.array([0, 0, 1, 2]), np.array([0, 1, 1, 3])]
    assert map_disagreement(labels).tolist() == pytest.approx([0, 1 / 3, 1 / 3, 2 / 3])
    with pytest.raises(ValueError, match="shape"):
        map_disagreement([])


def test_edge_distance_and_the_matrices_by_it():
    distance = edge_distance((5, 7))
    assert distance.tolist() == [[min(y, 4 - y, x, 6 - x) for x in range(7)] for y in range(5)]
    generator = np.random.default_rng(0)
    truth, guess = generator.integers(0, 3, (2, 30, 25)).astype(np.uint8)
    truth[3] = 255
    counts = EdgeCounts(3, edges=(0, 2, 6))
    counts.add(truth, guess)
    far = edge_distance((30, 25))
    for place, chosen in enumerate((far < 2, (far >= 2) & (far < 6), far >= 6)):
        assert np.array_equal(counts.matrices[place], confusion_matrix(truth[chosen], guess[chosen], 3))


def test_controls_score_perfectly_and_like_a_shuffled_prediction():
    generator = np.random.default_rng(0)
    truth = generator.integers(0, 3, 60_000)
    guess = np.where(generator.random(60_000) < 0.8, truth, 0)
    matrix = confusion_matrix(truth, guess, 3)
    assert mean_present(class_scores(positive_control(matrix))["iou"]) == 1
    shuffled = confusion_matrix(truth, generator.permutation(guess), 3)
    expected = mean_present(class_scores(negative_control(matrix))["iou"])
    assert expected == pytest.approx(mean_present(class_scores(shuffled)["iou"]), abs=0.005)
    assert expected < mean_present(class_scores(matrix)["iou"]) - 0.3


def test_ranks_agree_with_scipy_and_demsars_critical_difference():
    from scipy.stats import friedmanchisquare

    generator = np.random.default_rng(0)
    scores = generator.normal(size=(14, 4)) + np.array([0, 0.1, 3, 0.2])
    found = compare_ranks(scores)
    assert found.order[0] == 2 and found.p == pytest.approx(friedmanchisquare(*scores.T).pvalue)
    # Demsar 2006: q of 4 classifiers is 2.569, so on 14 data sets CD = 1.25
    assert found.critical == pytest.approx(1.25, abs=0.005)
    assert found.cliques and all(
        found.ranks[last] - found.ranks[first] < found.critical for first, last in found.cliques
    )
    assert compare_ranks(scores[:, :2]) is None
    assert compare_ranks(np.ones((5, 3))).p == 1


def test_seeds_needed_agree_with_tables_of_power():
    # Cohen 1988, table 2.4.1: d = 0.8 at alpha 0.05 (two-sided) and power 0.80 needs 26 a group; d = 0.5 needs 64
    assert (seeds_needed(0.8, 1.0), seeds_needed(0.5, 1.0)) == (26, 64)
    assert seeds_needed(1.0, 1e-6) == 2 and seeds_needed(0.0, 1.0, most=50) == 50
