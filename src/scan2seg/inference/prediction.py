"""Predicting the test images of a stack."""

import threading
from pathlib import Path
from typing import Any

import numpy as np
import torch

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
    channels = store["image"].shape[1] * (2 * predictor.neighbours + 1)  # type: ignore[union-attr]
    if channels != predictor.model.channels:
        raise InputError(f"{checkpoint}: was trained on {predictor.model.channels} channels, {stack} has {channels}")
    size = tuple(store["image"].shape[2:])  # type: ignore[union-attr]
    classes, keep = len(predictor.classes), predictor.settings.probabilities
    per_shard = shard_length((classes, *size) if keep else size, "float16" if keep else "uint8", len(indices))
    lock = threading.Lock()
    with creating(output) as group:
        label = create_array(
            group, "label", (len(indices), *size), "uint8", per_shard=per_shard, axes="myx", fill_value=IGNORE
        )
        targets = [label]
        if keep:
            shape = (len(indices), classes, *size)
            targets.append(create_array(group, "probability", shape, "float16", per_shard=per_shard, axes="mkyx"))

        def predict_block(block: slice) -> None:
            labels = np.full((block.stop - block.start, *size), IGNORE, np.uint8)
            kept = np.zeros((block.stop - block.start, classes, *size), np.float16) if keep else None
            for place, index in enumerate(indices[block]):
                image = read_slices(store, index, predictor.neighbours)
                height, width = image.shape[1:]
                with lock:
                    probabilities = predictor.predict(image)
                    labels[place, :height, :width] = probabilities.argmax(dim=0).to(torch.uint8).cpu().numpy()
                    if kept is not None:
                        kept[place, :, :height, :width] = probabilities.half().cpu().numpy()
            label[block] = labels
            if kept is not None:
                targets[1][block] = kept

        run_blocks(predict_block, targets, "predicting")
        index = group.create_array("index", shape=(len(indices),), dtype="int64", chunks=(len(indices),))
        index[:] = np.asarray(indices)
        provenance = record({"inference": inference, "part": part}, [stack, split, checkpoint])
        group.attrs.update({"split": part, "classes": predictor.classes, "provenance": provenance})
    info("%d images on %s in %s", len(indices), predictor.device, predictor.precision)
