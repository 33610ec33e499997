"""Models of single pixels' values: thresholds and clusters found without labels, then named by the labels."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scan2seg.architectures.fitted import FittedModel, labelled_pixels, log_shares
from scan2seg.device import limit_libraries
from scan2seg.logging import reporting

_HISTOGRAM_SAMPLES = 20_000_000


class Otsu(FittedModel):
    """Thresholds of the mean over channels; state: ``thresholds`` (L - 1,), ``shares`` (L, K) log shares."""

    thresholds: Tensor
    shares: Tensor

    def __init__(self, classes: int, levels: int, bins: int) -> None:
        """Make an unfitted model."""
        super().__init__()
        self.classes, self.levels, self.bins = classes, levels, bins
        self.set_state(thresholds=torch.empty(0), shares=torch.empty(0, classes))

    def fit(self, images: Tensor, labels: Tensor, seed: int) -> None:
        """Find the thresholds and count the classes of each level; pixels labelled 255 are left out of both."""
        values, named = labelled_pixels(images.mean(1, keepdim=True), labels, self.classes, _HISTOGRAM_SAMPLES, seed)
        grey = values.squeeze(1)
        counts, edges = np.histogram(grey.numpy(), bins=self.bins)
        thresholds = torch.from_numpy(otsu_thresholds(counts, edges, self.levels)).float()
        shares = log_shares(torch.bucketize(grey, thresholds), named, self.levels, self.classes)
        self.set_state(thresholds=thresholds, shares=shares)

    def forward(self, images: Tensor) -> Tensor:
        """Map images (N, C, *spatial) to log shares (N, K, *spatial)."""
        self.check_fitted(self.shares)
        level = torch.bucketize(images.float().mean(1).contiguous(), self.thresholds)
        return self.shares[level].movedim(-1, 1)


class KMeans(FittedModel):
    """Clusters of the pixels' channels; state: ``centres`` (L, C), ``shares`` (L, K) log shares."""

    centres: Tensor
    shares: Tensor

    def __init__(self, channels: int, classes: int, clusters: int, samples: int, restarts: int) -> None:
        """Make an unfitted model."""
        super().__init__()
        self.classes, self.clusters, self.samples, self.restarts = classes, clusters, samples, restarts
        self.set_state(centres=torch.empty(0, channels), shares=torch.empty(0, classes))

    def fit(self, images: Tensor, labels: Tensor, seed: int) -> None:
        """Find the clusters and count the classes of each; pixels labelled 255 are left out of both."""
        from sklearn.cluster import KMeans as Clustering

        values, named = labelled_pixels(images, labels, self.classes, self.samples, seed)
        distinct = len(torch.unique(values[:10_000], dim=0))
        model = Clustering(min(self.clusters, max(distinct, 1)), n_init=self.restarts, random_state=seed)
        with limit_libraries(torch.get_num_threads()), reporting("k-means"):
            model.fit(values.numpy())
        centres = torch.from_numpy(np.asarray(model.cluster_centers_)).float()
        groups = _nearest(values, centres)
        self.set_state(centres=centres, shares=log_shares(groups, named, len(centres), self.classes))

    def forward(self, images: Tensor) -> Tensor:
        """Map images (N, C, *spatial) to log shares (N, K, *spatial)."""
        self.check_fitted(self.shares)
        return self.shares[_nearest(images.float().movedim(1, -1), self.centres)].movedim(-1, 1)


def _nearest(values: Tensor, centres: Tensor) -> Tensor:
    """Return the index of the nearest centre (L, C) of values (..., C), one centre at a time to save memory."""
    best = torch.zeros(values.shape[:-1], dtype=torch.int64, device=values.device)
    least = torch.full(values.shape[:-1], torch.inf, device=values.device)
    for index, centre in enumerate(centres):
        distance = ((values - centre) ** 2).sum(-1)
        best = torch.where(distance < least, index, best)
        least = torch.minimum(distance, least)
    return best


def otsu_thresholds(counts: NDArray[np.int64], edges: NDArray[np.float64], levels: int) -> NDArray[np.float64]:
    """Return the thresholds that maximise the variance between levels, exactly, by dynamic programming.

    Args:
        counts: the histogram (B,).
        edges: of its bins (B + 1,).
        levels: how many intervals to make.

    Returns:
        ``levels - 1`` rising thresholds, each an upper edge of a bin; a value equal to it belongs below.
    """
    centres = (edges[:-1] + edges[1:]) / 2
    weight = np.concatenate([[0.0], np.cumsum(counts)])
    moment = np.concatenate([[0.0], np.cumsum(counts * (centres - centres.mean()))])
    mass = weight[None, :] - weight[:, None]
    first = moment[None, :] - moment[:, None]
    # Score of the bins i..j-1 as one level: its share of the variance between levels.
    score = np.where(mass > 0, first**2 / np.where(mass > 0, mass, 1.0), 0.0)
    score[np.tril_indices(len(score))] = -np.inf
    best, choice = score[0], []
    for _ in range(levels - 1):
        total = best[:, None] + score
        choice.append(total.argmax(0))
        best = total.max(0)
    cuts, end = [], len(counts)
    for previous in reversed(choice):
        end = int(previous[end])
        cuts.append(end)
    return np.asarray(edges[cuts[::-1]], dtype=np.float64)
