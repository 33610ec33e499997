"""Fitted models against scikit-image and scikit-learn."""

import numpy as np
import pytest
import torch
from skimage.filters import threshold_multiotsu
from sklearn.cluster import KMeans

from scan2seg import plugins
from scan2seg.architectures.grey_levels import otsu_thresholds
from scan2seg.errors import InputError

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
