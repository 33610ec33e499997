"""Fitted models against scikit-image and scikit-learn."""

import logging
import re
import time
import warnings
from itertools import product

import numba
import numpy as np
import pytest
import torch
from skimage.feature import hessian_matrix, hessian_matrix_eigvals
from skimage.filters import gaussian, threshold_multiotsu
from sklearn.cluster import KMeans
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import jaccard_score
from threadpoolctl import threadpool_info, threadpool_limits

from scan2seg import plugins
from scan2seg.architectures.forest import multiscale_features
from scan2seg.architectures.grey_levels import otsu_thresholds
from scan2seg.architectures.naming import name_groups
from scan2seg.errors import InputError
from scan2seg.logging import LOGGER, Work

torch.set_num_threads(1)


def make(name: str, classes: int, channels: int = 1, **settings: object) -> torch.nn.Module:
    module = plugins.load("architectures", name)
    return module.build(module.Params.model_validate(settings), channels, classes)


@pytest.mark.parametrize("levels", [2, 3, 4])
def test_otsu_thresholds_cut_as_scikit_image_does(levels: int) -> None:
    generator = np.random.default_rng(levels)
    values = np.concatenate(
        [generator.normal(3 * level, 0.5 + 0.2 * level, 400 * (level + 1)) for level in range(levels)]
    )
    counts, edges = np.histogram(values, bins=64)
    lower_centres = otsu_thresholds(counts, edges, levels) - (edges[1] - edges[0]) / 2
    np.testing.assert_allclose(lower_centres, threshold_multiotsu(values, classes=levels, nbins=64), atol=1e-9)


def test_otsu_separates_classes_in_any_order_of_grey() -> None:
    torch.manual_seed(0)
    labels = torch.randint(0, 3, (2, 30, 30))
    grey = torch.tensor([0.9, 0.1, 0.5])[labels]
    images = (grey + 0.03 * torch.randn(grey.shape))[:, None]
    labels[:, :5] = 255
    images[:, :, :5] = 100  # must not count: it is ignored
    model = make("otsu", 3)
    model.fit(images, labels, seed=0)
    predicted = model(images).argmax(1)
    assert (predicted[:, 5:] == labels[:, 5:]).float().mean() > 0.99


def test_kmeans_finds_the_clusters_of_scikit_learn() -> None:
    torch.manual_seed(0)
    labels = torch.randint(0, 3, (1, 40, 40))
    images = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])[labels].movedim(-1, 1) + 0.05 * torch.randn(
        1, 2, 40, 40
    )
    model = make("kmeans", 3, channels=2)
    model.fit(images, labels, seed=0)
    reference = KMeans(3, n_init=4, random_state=0).fit(images.movedim(1, -1).reshape(-1, 2).numpy())
    order = np.lexsort(reference.cluster_centers_.T)
    mine = model.centres.numpy()
    np.testing.assert_allclose(mine[np.lexsort(mine.T)], reference.cluster_centers_[order], atol=1e-3)
    assert (model(images).argmax(1) == labels).float().mean() > 0.99


def test_an_unfitted_model_refuses_and_one_grey_level_is_no_crash() -> None:
    with pytest.raises(InputError, match="not fitted"):
        make("otsu", 2)(torch.zeros(1, 1, 4, 4))
    for name in ("otsu", "kmeans"):
        model = make(name, 2)
        model.fit(torch.ones(1, 1, 8, 8), torch.ones(1, 8, 8, dtype=torch.int64), seed=0)
        assert (model(torch.ones(1, 1, 4, 4)).argmax(1) == 1).all()
        with pytest.raises(InputError, match="no pixel"):
            model.fit(torch.ones(1, 1, 8, 8), torch.full((1, 8, 8), 255), seed=0)


def test_forest_predicts_as_scikit_learn_and_the_same_without_numba() -> None:
    torch.manual_seed(0)
    labels = (torch.arange(40)[:, None] // 10 + torch.arange(40) // 20) % 3
    images = (labels + 0.3 * torch.randn(2, 40, 40))[:, None]
    labels = labels.expand(2, -1, -1).clone()
    labels[0, :4] = 255
    model = make("random_forest", 4, trees=11, depth=6, samples=800, sigmas=[1.0, 3.0])
    model.fit(images, labels, seed=3)
    shares = model(images).exp() - 1e-4
    assert (shares.argmax(1) == labels)[labels != 255].float().mean() > 0.9
    features = multiscale_features(images[0], [1.0, 3.0]).flatten(1).T
    values, named = model._sample(images, labels, 3, Work("", "", 2))
    reference = RandomForestClassifier(11, max_depth=6, class_weight="balanced", random_state=3).fit(values, named)
    expected = reference.predict_proba(features.numpy())
    np.testing.assert_allclose(shares[0].flatten(1).T[:, :3], expected, atol=1e-5)
    np.testing.assert_allclose(model.walk_by_torch(features) / 11, shares[0].flatten(1).T, atol=1e-5)


@pytest.mark.parametrize("sigma", [1.0, 3.0])
def test_forest_features_are_those_of_scikit_image(sigma: float) -> None:
    image = torch.from_numpy(np.random.default_rng(0).normal(size=(48, 56)).astype(np.float32))
    ours = multiscale_features(image[None], [sigma]).numpy()
    smoothed = gaussian(image.numpy(), sigma, mode="mirror", preserve_range=True)
    np.testing.assert_allclose(ours[0], smoothed, atol=2e-4)
    hessian = hessian_matrix_eigvals(hessian_matrix(smoothed, sigma=0.0001, use_gaussian_derivatives=False, order="rc"))
    np.testing.assert_allclose(ours[2:, 4:-4, 4:-4], hessian[:, 4:-4, 4:-4], atol=1e-3)


@pytest.mark.parametrize("threads", [1, 2])
def test_the_forest_is_fitted_and_walked_with_the_threads_given(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = []

    class Spied(RandomForestClassifier):
        def fit(self, *arguments: object) -> "Spied":
            jobs.append(self.n_jobs)
            return super().fit(*arguments)

    monkeypatch.setattr("sklearn.ensemble.RandomForestClassifier", Spied)
    threads = min(threads, numba.config.NUMBA_NUM_THREADS)
    torch.set_num_threads(threads)
    images, labels = torch.rand(1, 1, 16, 16), torch.randint(0, 2, (1, 16, 16))
    try:
        model = make("random_forest", 2, trees=4)
        model.fit(images, labels, seed=0)
        model(images)
        assert (jobs, numba.get_num_threads()) == ([threads], threads)
    finally:
        torch.set_num_threads(1)


@pytest.mark.parametrize("name", ["otsu", "kmeans"])
def test_a_rare_class_that_no_level_is_mostly_of_is_found(name: str) -> None:
    torch.manual_seed(0)
    labels = (torch.rand(2, 60, 60) < 0.05).long()
    bright = torch.where(labels == 1, 0.95, 0.2) > torch.rand(labels.shape)  # a fifth of the bright pixels is class 1
    images = (bright + 0.05 * torch.randn(labels.shape))[:, None]
    model = make(name, 2)
    model.fit(images, labels, seed=0)
    assert torch.equal(model(images).argmax(1), bright.long())


def test_levels_are_named_for_the_greatest_mean_iou() -> None:
    generator = np.random.default_rng(0)
    for _ in range(12):
        classes, groups = generator.choice([2, 3]), generator.choice([3, 4, 5])
        centres = generator.permutation(groups)[:classes]
        near = np.exp(-((np.arange(groups)[:, None] - centres) ** 2))
        counts = (near * 10 ** generator.uniform(2, 5, classes)).astype(np.int64)
        answers = [np.array(names) for names in product(range(classes), repeat=groups) if len(set(names)) > 1]
        best = max(mean_iou(counts, names) for names in answers)
        found = name_groups(counts)
        assert len(set(found)) > 1
        assert mean_iou(counts, found) == pytest.approx(best, rel=0.02)


def mean_iou(counts: np.ndarray, names: np.ndarray) -> float:
    truth, predicted = np.broadcast_arrays(np.arange(counts.shape[1]), names[:, None])
    return float(jaccard_score(truth.ravel(), predicted.ravel(), average="macro", sample_weight=counts.ravel()))


def test_kmeans_keeps_to_the_threads_given(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    class Spied(KMeans):
        def fit(self, *arguments: object) -> "Spied":
            seen.extend(pool["num_threads"] for pool in threadpool_info())
            return super().fit(*arguments)

    monkeypatch.setattr("sklearn.cluster.KMeans", Spied)
    with threadpool_limits(2):
        torch.set_num_threads(1)  # torch's own pool, not the one of scikit-learn
        make("kmeans", 2).fit(torch.rand(1, 1, 16, 16), torch.randint(0, 2, (1, 16, 16)), seed=0)
    assert set(seen) == {1}


def test_a_forest_and_clusters_say_where_they_are(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Slow(RandomForestClassifier):
        def fit(self, *arguments: object) -> "Slow":
            time.sleep(0.3)
            return super().fit(*arguments)

    monkeypatch.setattr("scan2seg.logging.SILENCE", 0.05)
    monkeypatch.setattr("sklearn.ensemble.RandomForestClassifier", Slow)
    monkeypatch.setattr(LOGGER, "propagate", True)
    caplog.set_level(logging.INFO, "scan2seg")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        make("random_forest", 2, trees=6).fit(torch.rand(1, 1, 16, 16), torch.randint(0, 2, (1, 16, 16)), seed=0)
    assert re.search(r"random forest: 0 of 6 trees \(0 s\)", caplog.text)
    assert re.search(r"random forest: 4 of 6 trees \(\d s, about \d s left\)", caplog.text)
