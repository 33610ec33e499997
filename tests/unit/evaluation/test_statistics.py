"""Intervals and tests against scipy and plain loops, and their calibration on scores of neighbours that are alike."""

import itertools

import numpy as np
import pytest
from scipy import stats

from scan2seg.evaluation import statistics
from scan2seg.evaluation.confusion import confusion_matrix, overlap_counts
from scan2seg.evaluation.metrics import class_scores, mean_present
from scan2seg.evaluation.units import Units, block_length, choose_units


def matrices(seed, units, accuracy=0.7):
    generator = np.random.default_rng(seed)
    found = []
    for _ in range(units):
        truth = generator.integers(0, 3, 300)
        guess = np.where(generator.random(300) < accuracy, truth, generator.integers(0, 3, 300))
        found.append(confusion_matrix(truth, guess, 3))
    return np.array(found)


def summed(chosen):
    return mean_present(class_scores(chosen.sum(0))["iou"])


def test_the_bootstrap_agrees_with_scipy_and_repeats():
    drawn = matrices(0, 12)
    found = statistics.bootstrap_mean_iou(overlap_counts(drawn))
    expected = stats.bootstrap(
        (np.arange(12),), lambda index: summed(drawn[index]), vectorized=False, method="percentile",
        n_resamples=2000, rng=np.random.default_rng(1),
    ).confidence_interval  # fmt: skip
    assert found == pytest.approx((expected.low, expected.high), abs=0.003)
    assert found == statistics.bootstrap_mean_iou(overlap_counts(drawn))
    assert statistics.bootstrap_mean_iou(overlap_counts(drawn[:5])) is None


def test_the_bootstrap_of_a_mean_agrees_with_scipy() -> None:
    values = np.random.default_rng(1).beta(8, 2, 40)
    theirs = stats.bootstrap((values,), np.mean, method="percentile", rng=np.random.default_rng(0))
    found = statistics.bootstrap_mean(values)
    assert found == statistics.bootstrap_mean(values)
    assert found == pytest.approx(tuple(theirs.confidence_interval), abs=4e-3)
    assert statistics.bootstrap_mean(values[:3]) is None


@pytest.mark.parametrize(("replicates", "others"), [(2, 2), (1, 2)])
def test_the_exact_swap_test_agrees_with_a_plain_loop(replicates, others):
    ours = [matrices(seed, 7, 0.75) for seed in range(replicates)]
    theirs = [matrices(seed, 7, 0.72) for seed in range(10, 10 + others)]
    pairs = list(zip(ours, theirs, strict=True)) if replicates == others else list(itertools.product(ours, theirs))

    def difference(swap):
        mask = np.array(swap)[:, None, None]
        values = [summed(np.where(mask, b, a)) - summed(np.where(mask, a, b)) for a, b in pairs]
        return abs(np.mean(values))

    seen = difference([False] * 7)
    expected = np.mean([difference(swap) >= seen - 1e-12 for swap in itertools.product([False, True], repeat=7)])
    found = statistics.swap_test(*(np.stack([overlap_counts(run) for run in runs]) for runs in (ours, theirs)))
    assert found == pytest.approx(expected)


def test_the_smallest_p_is_that_of_the_number_of_units_and_five_are_too_few():
    good, poor = (overlap_counts(matrices(seed, 6, accuracy))[None] for seed, accuracy in ((0, 1.0), (1, 0.3)))
    assert statistics.swap_test(good, poor) == 2 / 2**6
    assert statistics.swap_test(good, good) == 1.0
    assert statistics.swap_test(good[:, :5], poor[:, :5]) is None
    many = [np.concatenate([part] * 5, axis=1) for part in (good, poor)]
    assert statistics.swap_test(*many) == pytest.approx(1 / 10_000)


def test_p_is_of_the_difference_that_the_table_shows_and_cannot_point_the_other_way():
    """Many small images favour one model by a little, one large image the other by much: so does the summed matrix."""
    small, large = np.array([[50, 50], [50, 50]]), np.array([[90_000, 10_000], [10_000, 90_000]])
    ours = np.array([*[small] * 19, large])
    theirs = np.array([*[small + np.array([[1, -1], [-1, 1]])] * 19, large[::-1]])
    assert summed(ours) > summed(theirs)
    assert stats.wilcoxon([summed(a[None]) - summed(b[None]) for a, b in zip(ours, theirs, strict=True)]).pvalue < 0.01
    assert statistics.swap_test(overlap_counts(ours)[None], overlap_counts(theirs)[None]) > 0.5


def correlated(generator, images, memory):
    """Return counts of two equally good models, (2, 1, images, 3, 2), whose errors last from slice to slice."""
    series = np.zeros((2, images))
    for place in range(images):
        before = series[:, place - 1] if place else 0.0
        series[:, place] = memory * before + np.sqrt(1 - memory**2) * generator.normal(size=2)
    wrong = np.round(200 + 60 * series).clip(0, 900).astype(int)
    right = 1000 - wrong
    tables = np.stack([np.stack([right, wrong], -1), np.stack([wrong, right], -1)], -2)
    return overlap_counts(tables)[:, None]


@pytest.mark.parametrize(("memory", "images"), [(0.0, 60), (0.7, 100), (0.9, 300)])
def test_alike_neighbours_do_not_make_p_small(memory, images, monkeypatch):
    monkeypatch.setattr(statistics, "SWAPS", 199)
    generator = np.random.default_rng(3)
    found, naive = [], []
    for _ in range(200):
        ours, theirs = correlated(generator, images, memory)
        scores = [counts[0, :, 0, 0] / counts[0, :, 1, 0] for counts in (ours, theirs)]
        units = choose_units(["volume"] * images, [*scores, scores[0] - scores[1]])
        if units.enough:
            found.append(statistics.swap_test(*(units.sum(counts[0])[None] for counts in (ours, theirs))))
        naive.append(statistics.swap_test(ours.astype(float), theirs.astype(float)))
    assert len(found) > 40
    assert np.sum(np.array(found) < 0.05) < 0.09 * len(naive)
    if memory:
        assert np.mean(np.array(naive) < 0.05) > 0.25
    else:
        assert stats.kstest(found, "uniform").pvalue > 0.01


def test_units_are_groups_or_images_or_blocks():
    noise = np.where(np.arange(30) % 2, 1.0, -1.0)
    singles = choose_units([f"image{place}" for place in range(30)], [noise])
    assert (singles.count, singles.words, singles.enough) == (30, "30 images", True)
    volumes = choose_units(["b"] * 15 + ["a"] * 10 + ["c"] * 5, [noise])
    assert (volumes.count, volumes.words, volumes.enough) == (3, "3 groups", False)
    assert volumes.sum(np.ones((30, 2), int)).tolist() == [[10.0, 10.0], [15.0, 15.0], [5.0, 5.0]]
    blocks = choose_units(["a"] * 30, [noise])
    assert blocks.words == "7 blocks of neighbouring images of one group"
    assert np.array_equal(np.sort(blocks.labels), blocks.labels)
    assert np.bincount(blocks.labels).min() >= block_length(noise) == 4
    slow = np.sin(np.arange(30) / 5)
    assert not choose_units(["a"] * 30, [noise, slow]).enough
    assert Units(np.zeros(1, np.int64), "group").words == "1 group"


def test_holm_on_a_worked_example():
    assert statistics.holm([0.01, None, 0.04, 0.03]) == pytest.approx([0.03, None, 0.06, 0.06])
