"""The random forest: features by torch, trees grown by scikit-learn, kept as tensors and walked by numba or torch."""

import warnings
from typing import Any

import numba
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scan2seg.architectures.fitted import FittedModel
from scan2seg.augmentation.smoothing import smooth
from scan2seg.errors import InputError
from scan2seg.ignore import IGNORE
from scan2seg.logging import Work, reporting


class RandomForest(FittedModel):
    """Trees over ``multiscale_features``; the forest's mean class shares become logits.

    State, M nodes of T trees one after the other: ``feature`` (M,) int32, -1 at leaves; ``threshold`` (M,) float64;
    ``branches`` (M, 2) int32, where to go if the feature is at most, or above the threshold; ``shares`` (M, K)
    float32; ``roots`` (T,) int32.
    """

    feature: Tensor
    threshold: Tensor
    branches: Tensor
    shares: Tensor
    roots: Tensor

    def __init__(self, params: Any, channels: int, classes: int) -> None:
        """Make an unfitted model from the settings of ``random_forest``."""
        super().__init__()
        self.params = params
        self.classes = classes
        empty = torch.empty(0, dtype=torch.int32)
        self.set_state(feature=empty, threshold=empty.double(), branches=empty.reshape(0, 2), roots=empty)
        self.set_state(shares=torch.empty(0, classes))

    def fit(self, images: Tensor, labels: Tensor, seed: int) -> None:
        """Grow the forest on a sample of labelled pixels; features are computed image by image."""
        from sklearn.ensemble import RandomForestClassifier

        with reporting("random forest: features", "images", len(images)) as work:
            values, named = self._sample(images, labels, seed, work)
        weight = "balanced" if self.params.class_weight == "balanced" else None
        forest = RandomForestClassifier(
            self.params.trees,
            max_depth=self.params.depth,
            class_weight=weight,
            random_state=seed,
            n_jobs=torch.get_num_threads(),
            warm_start=True,
        )
        grow(forest, values, named)
        self.set_state(**flatten_trees(forest, self.classes))

    def forward(self, images: Tensor) -> Tensor:
        """Map images (N, C, H, W) to logits (N, K, H, W)."""
        self.check_fitted(self.roots)
        logits = []
        for image in images.float():
            features = multiscale_features(image, self.params.sigmas).flatten(1).T.contiguous()
            shares = self._walk(features) / len(self.roots)
            logits.append((shares + 1e-4).log().T.reshape(self.classes, *image.shape[1:]))
        return torch.stack(logits)

    def _walk(self, features: Tensor) -> Tensor:
        """Return the sum over trees of the class shares, (P, K), of features (P, F)."""
        if features.device.type != "cpu":
            return self.walk_by_torch(features)
        numba.set_num_threads(min(torch.get_num_threads(), numba.config.NUMBA_NUM_THREADS))
        state = (self.feature, self.threshold, self.branches, self.shares, self.roots)
        return torch.from_numpy(walk_trees(features.detach().numpy(), *(part.numpy() for part in state)))

    def walk_by_torch(self, features: Tensor) -> Tensor:
        """Return the sum over trees of the class shares, (P, K), of features (P, F), on any device."""
        total = features.new_zeros(len(features), self.classes)
        branches, feature = self.branches.long(), self.feature.long()
        for root in self.roots.tolist():
            node = torch.full((len(features),), root, device=features.device)
            for _ in range(self.params.depth):
                index = feature[node]
                value = features.gather(1, index.clamp_min(0)[:, None]).squeeze(1).double()
                step = branches[node].gather(1, (value > self.threshold[node]).long()[:, None]).squeeze(1)
                node = torch.where(index < 0, node, step)
            total += self.shares[node]
        return total

    def _sample(
        self, images: Tensor, labels: Tensor, seed: int, work: Work
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        generator = torch.Generator().manual_seed(seed)
        quota = max(1, self.params.samples // len(images))
        order = torch.randperm(len(images), generator=generator)[: self.params.samples].tolist()
        values, named = [], []
        for work.done, index in enumerate(order):
            flat = labels[index].flatten().cpu().long()
            places = torch.nonzero((flat != IGNORE) & (flat < self.classes)).squeeze(1)
            places = places[torch.randperm(len(places), generator=generator)[:quota]]
            if len(places):
                features = multiscale_features(images[index].float(), self.params.sigmas).flatten(1).cpu()
                values.append(features[:, places].T)
                named.append(flat[places])
        if not named:
            raise InputError("training: no pixel of the training patches is labelled; check the labels and the split")
        return torch.cat(values).numpy(), torch.cat(named).numpy()


def grow(forest: Any, values: NDArray[np.float32], named: NDArray[np.int64]) -> None:
    """Fit a forest that starts warm a few trees at a time, and say where it is; the trees are those of one fit."""
    trees, together = forest.n_estimators, 4 * forest.n_jobs
    with reporting("random forest", "trees", trees) as work, warnings.catch_warnings():
        # it doubts that weights of classes hold for the next trees; the data are the same
        warnings.filterwarnings("ignore", message="class_weight presets")
        for count in [*range(together, trees, together), trees]:
            forest.set_params(n_estimators=count).fit(values, named)
            work.done = count


def multiscale_features(image: Tensor, sigmas: list[float]) -> Tensor:
    """Return features of an image (C, H, W): for each channel and sigma the smoothed grey level, the length of its
    gradient, and both eigenvalues of its Hessian, the greater first; (C * S * 4, H, W) float32.
    """
    features = []
    for sigma in sigmas:
        grey = smooth(image[None], torch.tensor([sigma], device=image.device))[0]
        rows, columns = _gradient(grey, 1), _gradient(grey, 2)
        row_row, row_column, column_column = _gradient(rows, 1), _gradient(rows, 2), _gradient(columns, 2)
        mean = (row_row + column_column) / 2
        spread = (((row_row - column_column) / 2) ** 2 + row_column**2).sqrt()
        features += [grey, (rows**2 + columns**2).sqrt(), mean + spread, mean - spread]
    return torch.cat(features)


def _gradient(planes: Tensor, axis: int) -> Tensor:
    """Return central differences along an axis, one-sided at the ends, 0 along an axis of length 1."""
    if planes.shape[axis] == 1:
        return torch.zeros_like(planes)
    (result,) = torch.gradient(planes, dim=axis)
    return result


def flatten_trees(forest: Any, classes: int) -> dict[str, Tensor]:
    """Return the state of ``RandomForest`` from scikit-learn's; classes it has not seen have the share 0."""
    parts: dict[str, list[NDArray[Any]]] = {"feature": [], "threshold": [], "branches": [], "shares": []}
    roots, start = [], 0
    for estimator in forest.estimators_:
        tree = estimator.tree_
        roots.append(start)
        shares = np.zeros((tree.node_count, classes), np.float32)
        value = tree.value[:, 0, :]
        shares[:, forest.classes_.astype(int)] = value / value.sum(1, keepdims=True)
        parts["feature"].append(np.where(tree.children_left < 0, -1, tree.feature).astype(np.int32))
        parts["threshold"].append(tree.threshold.astype(np.float64))
        below = np.stack([tree.children_left, tree.children_right], 1)
        parts["branches"].append(np.where(below < 0, 0, below + start).astype(np.int32))
        parts["shares"].append(shares)
        start += tree.node_count
    state = {name: torch.from_numpy(np.concatenate(found)) for name, found in parts.items()}
    return {**state, "roots": torch.tensor(roots, dtype=torch.int32)}


@numba.njit(parallel=True, cache=True, nogil=True)  # type: ignore[untyped-decorator]
def walk_trees(
    features: NDArray[np.float32],
    feature: NDArray[np.int32],
    threshold: NDArray[np.float64],
    branches: NDArray[np.int32],
    shares: NDArray[np.float32],
    roots: NDArray[np.int32],
) -> NDArray[np.float32]:
    """Return the sum over trees of the class shares, (P, K), of features (P, F)."""
    result = np.zeros((features.shape[0], shares.shape[1]), np.float32)
    for pixel in numba.prange(features.shape[0]):
        for root in roots:
            node = root
            while feature[node] >= 0:
                node = branches[node, 1 if features[pixel, feature[node]] > threshold[node] else 0]
            for index in range(shares.shape[1]):
                result[pixel, index] += shares[node, index]
    return result
