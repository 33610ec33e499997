"""Predicting the test images of a stack."""

import threading
from pathlib import Path
from typing import Any

import numpy as np
import torch
import zarr

from scan2seg.device import set_threads
from scan2seg.errors import InputError
from scan2seg.inference.blocks import run_blocks
from scan2seg.inference.tiling import Predictor
from scan2seg.labels import IGNORE
from scan2seg.logging import info
from scan2seg.provenance import record
from scan2seg.slices import read_slices
from scan2seg.storage import create_array, creating, open_store, read_json, shard_length


def predict_stack(
    stack: Path,
    split: Path,
    checkpoint: Path,
    output: Path,
    inference: dict[str, Any],
    *,
    part: str = "test",
    threads: int = 1,
) -> None:
    """Predict the images of one part of the split, and write their labels.

    The store has ``label`` (m, y, x) uint8, 255 outside the true size, ``index`` (m,) into the stack, and
    where asked for ``probability`` (m, k, y, x) float16.

    Args:
        stack: the images.
        split: split.json.
        checkpoint: the trained model.
        output: the Zarr store to write.
        inference: resolved inference settings.
        part: test, validation or train.
        threads: processor cores.

    Raises:
        InputError: the part holds no images, or the model was trained on other channels.
    """
    set_threads(threads)
    predictor = Predictor(checkpoint, inference)
    store = open_store(stack)
    indices: list[int] = read_json(split)[part]
    if not indices:
        raise InputError(f"{split}: holds no {part} images to predict")
    image: Any = store["image"]
    channels = image.shape[1] * (2 * predictor.neighbours + 1)
    if channels != predictor.model.channels:
        raise InputError(f"{checkpoint}: was trained on {predictor.model.channels} channels, {stack} has {channels}")
    with creating(output) as group:
        targets = _create_targets(group, len(indices), image.shape[2:], predictor)
        lock = threading.Lock()
        run_blocks(lambda block: _predict_block(store, indices, block, targets, predictor, lock), targets, "predicting")
        index = group.create_array("index", shape=(len(indices),), dtype="int64", chunks=(len(indices),))
        index[:] = np.asarray(indices)
        provenance = record({"inference": inference, "part": part}, [stack, split, checkpoint])
        group.attrs.update({"split": part, "classes": predictor.classes, "provenance": provenance})
    info("%d images on %s in %s", len(indices), predictor.device, predictor.precision)


def _create_targets(
    group: zarr.Group, count: int, size: tuple[int, int], predictor: Predictor
) -> list[zarr.Array[Any]]:
    """Create ``label`` and, where asked for, ``probability``, with the same images in a shard."""
    classes, keep = len(predictor.classes), predictor.settings.probabilities
    item, dtype = ((classes, *size), "float16") if keep else (size, "uint8")
    length = shard_length(item, dtype, count)
    targets = [create_array(group, "label", (count, *size), "uint8", per_shard=length, axes="myx", fill_value=IGNORE)]
    if keep:
        shape = (count, classes, *size)
        targets.append(create_array(group, "probability", shape, "float16", per_shard=length, axes="mkyx"))
    return targets


def _predict_block(
    store: zarr.Group,
    indices: list[int],
    block: slice,
    targets: list[zarr.Array[Any]],
    predictor: Predictor,
    lock: threading.Lock,
) -> None:
    """Predict the images of one shard; the lock lets one thread compute while others read and write."""
    length = block.stop - block.start
    results = [np.full((length, *target.shape[1:]), target.fill_value, target.dtype) for target in targets]
    for place, index in enumerate(indices[block]):
        image = read_slices(store, index, predictor.neighbours)
        height, width = image.shape[1:]
        with lock:
            probabilities = predictor.predict(image)
            results[0][place, :height, :width] = probabilities.argmax(dim=0).to(torch.uint8).cpu().numpy()
            if len(results) > 1:
                results[1][place, :, :height, :width] = probabilities.half().cpu().numpy()
    for target, values in zip(targets, results, strict=True):
        target[block] = values
