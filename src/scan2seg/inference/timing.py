"""How long prediction takes: a batch of tiles and a whole image, end to end and the model alone."""

import math
import statistics
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from scan2seg.device import set_threads, synchronise
from scan2seg.inference.tiling import Predictor
from scan2seg.provenance import record
from scan2seg.slices import find_runs, list_volumes, read_slab
from scan2seg.storage import open_store, read_json, write_json
from scan2seg.windows import cut_window

REPEATS = 5


def time_inference(
    stack: Path, split: Path, checkpoint: Path, output: Path, inference: dict[str, Any], *, threads: int = 1
) -> None:
    """Measure seconds and pixels a second, the median of five after one that is not counted.

    End to end is reading an image from the stack to its labels in memory; model only is the network, from tiles
    on the device to probabilities on the device. For a network on volumes it is the mean of the first test slices, two
    tiles deep, as a job predicts them at a time.

    Args:
        stack: the images.
        split: split.json; the first test image is used.
        checkpoint: the trained model.
        output: timing.json.
        inference: resolved inference settings.
        threads: processor cores.
    """
    set_threads(threads)
    predictor = Predictor(checkpoint, inference)
    store = open_store(stack)
    run, volume = find_runs(list_volumes(store), read_json(split)["test"])[0]
    depth, neighbours = predictor.tile[0], predictor.neighbours
    run = run[: 2 * depth if depth > 1 else 1]
    first = max(volume.start, run.start - depth)
    held = read_slab(store, range(first, min(volume.stop, run.stop + depth)), neighbours, volume)
    height, width = held.shape[2:]
    tile = torch.from_numpy(np.ascontiguousarray(cut_window(held, (0, 0, 0), predictor.tile)))
    batch = tile.to(predictor.device).repeat(predictor.settings.batch_size, 1, 1, 1, 1)

    def tiles_end_to_end() -> None:
        predictor.run(batch.cpu().to(predictor.device)).argmax(dim=1).cpu()

    def images_end_to_end() -> None:
        for probabilities in predictor.walk(lambda images: read_slab(store, images, neighbours, volume), run, volume):
            probabilities.argmax(dim=0).cpu()

    def images_model() -> None:
        deque(predictor.walk(lambda images: held[:, images.start - first : images.stop - first], run, volume), 0)

    device, pixels = predictor.device, batch.shape[0] * math.prod(predictor.tile)
    timings = {
        "tile": _measure(tiles_end_to_end, lambda: predictor.run(batch), device, 1, pixels),
        "image": _measure(images_end_to_end, images_model, device, len(run), height * width),
        "image_size": [height, width],
    }
    provenance = record({"inference": inference}, [stack, checkpoint])
    write_json(output, {**timings, **_describe_setting(predictor, threads), "provenance": provenance})


def _describe_setting(predictor: Predictor, threads: int) -> dict[str, Any]:
    return {
        "batch_size": predictor.settings.batch_size,
        "tile_size": list(predictor.tile[-predictor.model.dimensions :]),
        "repeats": REPEATS,
        "threads": threads,
        "device": predictor.device,
        "precision": predictor.precision,
    }


def _median(work: Callable[[], object], device: str) -> float:
    work()
    seconds = []
    for _ in range(REPEATS):
        synchronise(device)
        started = time.perf_counter()
        work()
        synchronise(device)
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def _measure(
    work: Callable[[], object], model_work: Callable[[], object], device: str, count: int, pixels: int
) -> dict[str, float]:
    """Measure work on a number of items with so many pixels each; seconds are those of one item."""
    end_to_end, model = _median(work, device) / count, _median(model_work, device) / count
    return {
        "seconds_end_to_end": end_to_end,
        "seconds_model": model,
        "pixels_per_second": pixels / end_to_end,
        "pixels_per_second_model": pixels / model,
    }
