"""Variants of a dataset are compared on the test images that they share, with the statistics of models."""

import numpy as np
import pytest

from scan2seg.evaluation.confusion import confusion_matrix, overlap_counts
from scan2seg.evaluation.metrics import mean_iou
from scan2seg.evaluation.runs import Images, Run
from scan2seg.evaluation.variants import rank_variants


def make_run(dataset: str, names: list[str], errors: float, model: str = "unet", seed: int = 0) -> Run:
    generator = np.random.default_rng(seed)
    counts = []
    for name in names:
        truth = np.random.default_rng(int(name)).integers(0, 2, (30, 30))
        guess = np.where(generator.random(truth.shape) < errors, 1 - truth, truth)
        counts.append(overlap_counts(confusion_matrix(truth, guess, 2)))
    stacked = np.stack(counts)
    images = Images(np.arange(len(names)), names, list(names), stacked, mean_iou(stacked))
    metrics = {"dataset": dataset, "model": model, "replicate": f"seed{seed}", "classes": {"a": {}, "b": {}}}
    return Run({**metrics, "mean_iou": float(mean_iou(stacked.sum(0)))}, {}, {}, images)


def test_the_better_variant_is_first_and_told_apart_on_shared_images() -> None:
    names = [str(number) for number in range(12)]
    runs = [make_run("plain", names, 0.3), make_run("denoised", ["99", *names[2:]], 0.1), make_run("other", names, 0.0)]
    (found,) = rank_variants(runs, ["plain", "denoised"])
    assert (found.model, found.reference, [row.model for row in found.rows]) == ("unet", "plain", ["denoised", "plain"])
    assert found.rows[0].images == 10
    shared = runs[1].images.counts[1:].sum(0), runs[0].images.counts[2:].sum(0)
    assert found.rows[0].against.value == pytest.approx(float(mean_iou(shared[0]) - mean_iou(shared[1])))
    assert found.rows[0].against.p_value < 0.01


def test_variants_of_other_lengths_and_with_names_that_stand_twice_share_the_rest() -> None:
    few, names = [str(number) for number in range(4, 10)], [str(number) for number in range(12)]
    runs = [make_run(name, shown, errors, seed=seed) for seed in (0, 1) for name, shown, errors in (
        ("all", names, 0.1), ("few", few[::-1], 0.2), ("twins", [*names, "5", "5"], 0.3),
    )]  # fmt: skip
    (found,) = rank_variants(runs, ["all", "few", "twins"])
    assert [(row.model, row.images, len(row.runs)) for row in found.rows] == [(name, 5, 2) for name in ("all", "few", "twins")]  # fmt: skip
    kept = [4, 6, 7, 8, 9]
    expected = [mean_iou(run.images.counts[kept].sum(0)) for run in runs[::3]]
    assert found.rows[0].mean == pytest.approx(np.mean(expected))
    reversed_few = [mean_iou(run.images.counts[[5, 3, 2, 1, 0]].sum(0)) for run in runs[1::3]]
    assert found.rows[1].mean == pytest.approx(np.mean(reversed_few))


def test_nothing_is_compared_where_nothing_is_shared() -> None:
    runs = [make_run("a", ["1", "2"], 0.1), make_run("b", ["3", "4"], 0.1), make_run("c", ["1", "2"], 0.1, "otsu")]
    assert rank_variants(runs, ["a", "b"]) == []
    assert rank_variants(runs, ["a", "c"]) == []
    relabelled = make_run("d", ["1", "2"], 0.1)
    relabelled.images.counts[:, 2] += 1
    assert rank_variants([runs[0], relabelled], ["a", "d"]) == []
