"""Predicting the test images of a stack."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import zarr
from numpy.typing import NDArray
from torch import Tensor

from scan2seg import probabilities
from scan2seg.config.training import InferenceSettings
from scan2seg.continuation import Unfinished, continuing
from scan2seg.device import set_threads
from scan2seg.documents import Json
from scan2seg.errors import InputError
from scan2seg.ignore import IGNORE
from scan2seg.inference.blocks import ShardWriter, SlicesAhead, Values, block_length, cut_shards
from scan2seg.inference.plan import read_plan
from scan2seg.inference.tiling import Predictor, Reader, choose_classes
from scan2seg.logging import info
from scan2seg.provenance import record
from scan2seg.slices import ReadSlice, StackImages, find_runs, list_volumes, read_slab
from scan2seg.storage import create_array, open_store, open_writable, read_json
from scan2seg.streaming import stream
from scan2seg.team import share_slabs
from scan2seg.workers import Workers


def predict_stack(
    stack: Path,
    split: Path,
    checkpoint: Path,
    output: Path,
    inference: InferenceSettings,
    *,
    part: str = "test",
    plan: Path | None = None,
    threads: int = 1,
    workers: Workers | None = None,
) -> None:
    """Predict the images of one part of the split, and write their labels.

    The store has ``label`` (m, y, x) uint8, 255 outside the true size, ``index`` (m,) into the stack, and where asked
    ``probability`` (m, k, y, x) uint8, in steps of 1/255. A network on volumes, or on neighbouring slices as channels,
    sees the slices around each image, of any part and without labels, as it does in a new volume.

    Args:
        stack: the images.
        split: split.json.
        checkpoint: the trained model.
        output: the Zarr store to write.
        inference: how the model is applied.
        part: test, validation or train.
        plan: plan.json, where the settings ask for one.
        threads: processor cores.
        workers: who shares the images, if not this process alone; the predictions do not depend on how many there are.

    Raises:
        InputError: the part holds no images, or the model was trained on other channels.
    """
    set_threads(threads)
    inference = read_plan(plan, inference)
    predictor = Predictor(checkpoint, inference)
    store = open_store(stack)
    indices = _read_part(split, part)
    check_channels(store["image"], predictor, checkpoint, stack)
    used = [path for path in (stack, split, checkpoint, plan) if path is not None]
    content = [inference.model_dump(mode="json"), part, predictor.device]
    with continuing(output, content, used) as unfinished:
        if workers is None:
            predict_images(store, indices, unfinished, predictor)
        else:
            work = SharedPrediction(stack, tuple(indices), unfinished.folder, checkpoint, inference, workers.threads)
            _share(work, store, unfinished, predictor, workers)
        made = {"split": part, "classes": predictor.classes, **predictor.decision.describe()}
        provenance = record({"inference": inference.model_dump(mode="json"), "part": part}, used)
        unfinished.group.attrs.update({**made, "provenance": provenance})
    info("%d images on %s in %s", len(indices), predictor.device, predictor.decision.precision)


def _read_part(split: Path, part: str) -> list[int]:
    indices: list[int] = read_json(split)[part]
    if not indices:
        raise InputError(f"{split}: holds no {part} images to predict")
    return indices


def predict_images(store: zarr.Group, indices: list[int], unfinished: Unfinished, predictor: Predictor) -> None:
    """Write the predictions of images of a stack, and which ones they are, shard by shard."""
    targets = _create_targets(unfinished, store, indices, predictor)
    notes, gaps = unfinished.collect(targets)
    for note in notes:
        predictor.recall(note)
    prediction = Prediction(store, indices, targets, predictor)

    def finish(shard: slice, _: Values) -> list[Json]:
        unfinished.finish(shard, predictor.decisions())
        return predictor.decisions()

    image: Any = store["image"]
    parts = cut_shards(targets[0], gaps, 4 * math.prod(image.shape[1:]), predictor.tile[0])
    stream(parts, prediction.read, prediction.compute, ShardWriter(targets, finish).add, targets, "predicting")


def _share(
    work: "SharedPrediction", store: zarr.Group, unfinished: Unfinished, predictor: Predictor, workers: Workers
) -> None:
    """Let workers do what ``predict_images`` does."""
    targets = _create_targets(unfinished, store, work.indices, predictor)
    settle = SharedPrediction.settle if predictor.undecided else None
    for decisions in share_slabs(unfinished, targets, work, workers, "predicting", settle=settle):
        predictor.recall(decisions)


@dataclass(frozen=True)
class SharedPrediction:
    """What a worker does to slabs of the images that several predict."""

    stack: Path
    indices: tuple[int, ...]
    store: Path
    """The unfinished one that is written."""
    checkpoint: Path
    inference: InferenceSettings
    threads: int
    decisions: tuple[Json, ...] = ()
    """The precision, where it is decided."""

    def settle(self, decisions: list[Json]) -> "SharedPrediction":
        """Return the same in the precision that the first slab was computed in."""
        return replace(self, decisions=tuple(decisions))

    def open(self) -> Callable[[slice], list[Json]]:
        """Load the model; return what predicts a slab."""
        set_threads(self.threads)
        predictor, group = Predictor(self.checkpoint, self.inference), open_writable(self.store, anew=False)
        if self.decisions:
            predictor.recall(self.decisions)
        targets: list[Any] = [group[name] for name in ("label", "probability") if name in group]
        return Prediction(open_store(self.stack), self.indices, targets, predictor).predict


def check_channels(image: Any, predictor: Predictor, checkpoint: Path, stack: Path) -> None:
    """Refuse a model that was trained on other channels than the stack has.

    Raises:
        InputError: it was.
    """
    channels = image.shape[1] * (2 * predictor.neighbours + 1)
    if channels != predictor.model.channels:
        raise InputError(f"{checkpoint}: was trained on {predictor.model.channels} channels, {stack} has {channels}")


def _create_targets(
    unfinished: Unfinished, store: zarr.Group, indices: Sequence[int], predictor: Predictor
) -> list[zarr.Array[Any]]:
    """Create ``label`` and, where asked for, ``probability``, with the same images in a shard, and ``index``."""
    image: Any = store["image"]
    count, size = len(indices), image.shape[2:]
    classes, keep = len(predictor.classes), predictor.settings.probabilities
    item, dtype = ((classes, *size), probabilities.DTYPE) if keep else (size, "uint8")
    length = block_length(item, dtype, count, predictor.tile[0])
    create = partial(create_array, unfinished.group, per_shard=length)
    labels = partial(create, "label", (count, *size), "uint8", axes="myx", fill_value=IGNORE)
    targets = [unfinished.array("label", labels)]
    if keep:
        shape = (count, classes, *size)
        kept = partial(create, "probability", shape, probabilities.DTYPE, axes="mkyx")
        targets.append(unfinished.array("probability", kept))
    form: dict[str, Any] = {"shape": (count,), "dtype": "int64", "chunks": (count,)}
    index = unfinished.array("index", partial(unfinished.group.create_array, "index", **form))
    index[:] = np.asarray(indices)
    return targets


Run = tuple[range, range, ReadSlice]
"""Consecutive images of a stack, the volume that they are of, and what reads it."""


class Prediction:
    """How parts of the chosen images of a stack are predicted."""

    def __init__(
        self, store: zarr.Group, indices: Sequence[int], targets: Sequence[zarr.Array[Any]], predictor: Predictor
    ) -> None:
        """Open a stack.

        Args:
            store: the stack.
            indices: the images, ascending.
            targets: what is written of them: ``label``, and ``probability`` where that is kept.
            predictor: the model.
        """
        self._indices, self._targets, self._predictor = indices, targets, predictor
        self._images, self._volumes = StackImages(store), list_volumes(store)

    def read(self, part: slice) -> list[Run]:
        """Read what a part of the images is predicted from."""
        runs = find_runs(self._volumes, list(self._indices[part]))
        seen = [self._predictor.find_seen(*run) for run in runs]
        return [(*run, SlicesAhead(self._images, places)) for run, places in zip(runs, seen, strict=True)]

    def compute(self, part: slice, runs: list[Run]) -> Values:
        """Return what each target holds of a part, in order."""
        length = part.stop - part.start
        results = [np.full((length, *target.shape[1:]), target.fill_value, target.dtype) for target in self._targets]
        if len(results) == 1:
            for place, labels in enumerate(_walk_labels(runs, self._predictor)):
                results[0][place, : labels.shape[0], : labels.shape[1]] = labels
            return results
        for place, both in enumerate(_walk_both(runs, self._predictor)):
            _, height, width = both.shape
            results[0][place, :height, :width] = both[-1]
            results[1][place, :, :height, :width] = both[:-1]
        return results

    def predict(self, shard: slice) -> list[Json]:
        """Read, compute and write a shard of the targets; return the precision."""
        for target, values in zip(self._targets, self.compute(shard, self.read(shard)), strict=True):
            target[shard] = values
        return self._predictor.decisions()


def _walk_both(runs: list[Run], predictor: Predictor) -> Iterator[NDArray[np.uint8]]:
    """Yield the probabilities of images as they are kept and, as one class more, what is most probable before that."""

    def finish(found: Tensor) -> Tensor:
        return torch.cat([probabilities.encode(found), choose_classes(found)[None]]).cpu()

    for run, volume, read in runs:
        for both in predictor.walk(_make_reader(read, volume, predictor), run, volume, finish):
            yield both.numpy()


def walk_labels(
    store: zarr.Group, runs: list[tuple[range, range]], predictor: Predictor
) -> Iterator[NDArray[np.uint8]]:
    """Yield the classes (y, x) of the images of a stack in runs of slices, each with its volume, in order."""
    images = StackImages(store)
    return _walk_labels([(*run, images) for run in runs], predictor)


def _walk_labels(runs: list[Run], predictor: Predictor) -> Iterator[NDArray[np.uint8]]:
    for run, volume, read in runs:
        yield from predictor.walk_labels(_make_reader(read, volume, predictor), run, volume)


def _make_reader(read: ReadSlice, volume: range, predictor: Predictor) -> Reader:
    return partial(read_slab, read, neighbours=predictor.neighbours, within=volume)
