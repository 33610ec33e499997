"""Training and validation patches as batches: on the device, in memory, or streamed from their shards."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scan2seg.config.training import TrainingSettings
from scan2seg.documents import Json
from scan2seg.errors import InputError
from scan2seg.logging import info, warn
from scan2seg.memory import available_memory
from scan2seg.replicates import sides_of
from scan2seg.storage import open_store, read_json
from scan2seg.training.processes import gather, rank, world

MEMORY_SHARE = 0.4
"""Share of the free memory, of the device or the job, that patches may take."""


@dataclass
class Patches:
    """The patches of one store, and which of them train and validate."""

    image: Any
    """(p, c, y, x) or (p, c, z, y, x) float32: a tensor, or the Zarr array where it does not fit."""
    label: Any
    """(p, y, x) or (p, z, y, x) uint8."""
    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    histogram: NDArray[np.int64]
    """(p, classes)."""
    origin: NDArray[np.int32]
    """(p, 3) first image's index, row, column."""
    classes: list[str]
    names: list[str]
    size: tuple[int, ...]
    place: str
    """``cuda``, ``memory`` or ``disk``."""
    statistics: NDArray[np.float32]
    """(p, 2, c) mean and standard deviation of the image that each patch is cut from."""
    source: Json
    """How the images were read, ``reading``, and the edge of their pixels in micrometres, ``pixel_size``, or null."""
    per_image: bool = False
    """Whether images are standardised by those."""
    pinned: bool = False
    """Whether batches lie in memory that a GPU reads by itself, while the one before is computed."""

    def __deepcopy__(self, memo: dict[int, Any]) -> "Patches":
        """Share the data: an averaged copy of the training module must not copy them."""
        return self

    def fetch(self, indices: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Return images float32 and labels uint8 of the given patches."""
        if isinstance(self.image, Tensor):
            index = torch.as_tensor(indices, device=self.image.device)
            return self._standardise(self.image[index], indices), self.label[index]
        images = np.stack([np.asarray(self.image[int(i)]) for i in indices])
        labels = np.stack([np.asarray(self.label[int(i)]) for i in indices])
        return self._standardise(torch.from_numpy(images), indices), torch.from_numpy(labels)

    def fetch_ahead(self, indices: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Return what ``fetch`` does, pinned where a GPU will take it."""
        images, labels = self.fetch(indices)
        return (images.pin_memory(), labels.pin_memory()) if self.pinned else (images, labels)

    def _standardise(self, images: Tensor, indices: NDArray[np.int64]) -> Tensor:
        if not self.per_image:
            return images
        known = torch.from_numpy(self.statistics[indices]).to(images.device)
        mean, deviation = known.view(*known.shape, *(1,) * (images.ndim - 2)).unbind(dim=1)
        return (images - mean) / deviation

    def sample(self, most: int) -> Iterator[NDArray[np.float32]]:
        """Yield an even sample of the training patches (c, y, x) in their grey values; of volumes the middle slice."""
        for index in choose_evenly(self.train, most):
            image = self.image[int(index)]
            pixels = image.cpu().numpy() if isinstance(image, Tensor) else np.asarray(image)
            yield pixels if pixels.ndim == 3 else pixels[:, pixels.shape[1] // 2]

    def describe(self, index: int) -> str:
        """Name a patch for a message."""
        image, row, column = (int(value) for value in self.origin[index])
        return f"{self.names[image]} at row {row}, column {column}"


def open_patches(path: Path, split: Path, fold: int | None, device: str) -> Patches:
    """Open the patches; put them on the device or into memory where they fit.

    Args:
        path: the patch store.
        split: split.json, which has the folds.
        fold: its number, or None for the split's own training and validation images.
        device: where the model trains.

    Raises:
        InputError: no training patches.
    """
    store = open_store(path)
    divided = read_json(split)
    sides = sides_of(divided, fold)
    origin = np.asarray(store["origin"])
    train = np.flatnonzero(np.isin(origin[:, 0], sides["train"]))
    validation = np.flatnonzero(np.isin(origin[:, 0], sides["validation"]))
    if train.size == 0:
        raise InputError(f"{path}: holds no training patches; check patching.minimum_foreground and the split")
    image: Any = store["image"]
    label: Any = store["label"]
    # all processes choose before any loads, and alike
    places = gather(_choose_place(int(np.prod(image.shape)) * 4 + int(np.prod(label.shape)), device))
    place = max(places, key=("cuda", "memory", "disk").index)
    if place != "disk":
        image, label = torch.from_numpy(image[:]), torch.from_numpy(label[:])
        if place == "cuda":
            image, label = image.to(device), label.to(device)
    info("%d training and %d validation patches, %s", len(train), len(validation), _describe_place(place))
    histogram = np.asarray(store["histogram"])
    size = tuple(store.attrs["size"])  # type: ignore[arg-type]
    _warn_of_missing(histogram[train], list(store.attrs["classes"]))  # type: ignore[arg-type]
    classes, names = list(store.attrs["classes"]), list(store.attrs["names"])  # type: ignore[arg-type]
    known: NDArray[np.float32] = np.asarray(store["statistics"])
    source = {key: store.attrs.get(key) for key in ("reading", "pixel_size")}
    form: dict[str, Any] = {"statistics": known, "source": source, "pinned": device == "cuda" and place != "cuda"}
    return Patches(image, label, train, validation, histogram, origin, classes, names, size, place, **form)  # type: ignore[arg-type]


def _warn_of_missing(histogram: NDArray[np.int64], classes: list[str]) -> None:
    """Say which classes no training patch holds; a fold may lack one that the whole split has."""
    missing = [name for name, count in zip(classes, histogram.sum(axis=0), strict=True) if not count]
    if missing and histogram.any():
        warn("no training patch holds %s: the model cannot learn it", ", ".join(missing))


class BatchLoader:
    """Iterates over batches of one epoch; the order depends on seed and epoch alone, so a resumed run repeats it.

    With several processes each takes its share of every batch, so that a step is over the same patches as in one.
    """

    def __init__(
        self,
        patches: Patches,
        indices: NDArray[np.int64],
        batch_size: int,
        *,
        seed: int | None = None,
        weights: NDArray[np.float64] | None = None,
        samples: int | None = None,
    ) -> None:
        """Set the order: as given without a seed; shuffled, or drawn by weights, with one."""
        self.patches, self.indices, self.batch_size = patches, indices, batch_size
        self.seed, self.weights, self.samples = seed, weights, samples or len(indices)
        self.epoch = 0
        self.first = 0
        """The batch to begin with, in the first epoch of a run that goes on within one."""
        self.rank, self.world = rank(), world()

    def __len__(self) -> int:
        """Return the number of batches an epoch."""
        return -(-self.samples // self.batch_size)

    def order(self) -> NDArray[np.int64]:
        """Return the patches of this epoch in order, those of all processes."""
        if self.seed is None:
            return self.indices
        generator = np.random.default_rng([self.seed, self.epoch])
        if self.weights is not None:
            return generator.choice(self.indices, self.samples, p=self.weights / self.weights.sum())
        rounds = -(-self.samples // len(self.indices))
        return np.concatenate([generator.permutation(self.indices) for _ in range(rounds)])[: self.samples]

    def shares(self) -> list[tuple[NDArray[np.int64], float]]:
        """Return, for each batch, the patches of this process and the weight of their loss.

        The mean over processes of weight times loss is the mean over the batch's patches. Where a last batch has fewer
        patches than there are processes, some get a patch of another with weight 0: all take the same number of steps.
        """
        order, shares = self.order(), []
        for start in range(0, len(order), self.batch_size):
            batch = order[start : start + self.batch_size]
            own = batch[self.rank :: self.world]
            shares.append((own if own.size else batch[:1], len(own) * self.world / len(batch)))
        return shares

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor, NDArray[np.int64], float]]:
        """Yield images, labels, patch indices and weight; two batches are made ahead from disk, or for a GPU."""
        shares = self.shares()[self.first :]
        if self.patches.place != "disk" and not self.patches.pinned:
            for group, weight in shares:
                yield (*self.patches.fetch(group), group, weight)
            return
        with ThreadPoolExecutor(2) as pool:
            pending = [pool.submit(self.patches.fetch_ahead, group) for group, _ in shares[:2]]
            for number, (group, weight) in enumerate(shares):
                images, labels = pending.pop(0).result()
                if number + 2 < len(shares):
                    pending.append(pool.submit(self.patches.fetch_ahead, shares[number + 2][0]))
                yield images, labels, group, weight


def make_loaders(data: Patches, settings: TrainingSettings, seed: int) -> tuple[BatchLoader, BatchLoader | None]:
    """Return the batches of a training, and those of its validation where there are validation patches."""
    weights = sampling_weights(data.histogram[data.train]) if settings.sampling == "class_balanced" else None
    samples = settings.samples_per_epoch
    loader = BatchLoader(data, data.train, settings.batch_size, seed=seed, weights=weights, samples=samples)
    kept = choose_evenly(data.validation, settings.validation_patches)
    validation = BatchLoader(data, kept, settings.batch_size) if kept.size else None
    return loader, validation


def choose_evenly(indices: NDArray[np.int64], most: int | None) -> NDArray[np.int64]:
    """Return at most so many of the indices, evenly spread; patches lie image by image, so over the images too."""
    if most is None or most >= len(indices):
        return indices
    return indices[(np.arange(most) * len(indices)) // most]


def sampling_weights(histogram: NDArray[np.int64]) -> NDArray[np.float64]:
    """Weigh each patch by the rarity of its classes: the sum over classes of its share of all their pixels."""
    totals = np.maximum(histogram.sum(axis=0), 1)
    weights: NDArray[np.float64] = (histogram / totals).sum(axis=1)
    smallest = float(weights[weights > 0].min(initial=1.0))
    return weights + 0.05 * smallest


def class_weights(setting: list[float] | str, histogram: NDArray[np.int64]) -> Tensor | None:
    """Return the weight of each class, mean 1, or None.

    Raises:
        InputError: the given weights are not one a class.
    """
    if setting == "none":
        return None
    if isinstance(setting, list):
        if len(setting) != histogram.shape[1]:
            raise InputError(f"training.class_weights: {len(setting)} weights, {histogram.shape[1]} classes")
        return torch.tensor(setting, dtype=torch.float32)
    totals = histogram.sum(axis=0).astype(np.float64)
    present = totals > 0
    weights = np.where(present, totals.sum() / np.maximum(totals, 1), 0.0)
    return torch.as_tensor(weights / weights[present].mean(), dtype=torch.float32)


def _choose_place(size: int, device: str) -> str:
    if device == "cuda" and size < MEMORY_SHARE * torch.cuda.mem_get_info()[0]:
        return "cuda"
    # each process holds its own copy
    return "memory" if size * world() < MEMORY_SHARE * available_memory() else "disk"


def _describe_place(place: str) -> str:
    return {"cuda": "held on the GPU", "memory": "held in memory", "disk": "streamed from disk"}[place]
