"""How long prediction takes: a batch of tiles and a whole image, end to end and the model alone."""

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from scan2seg.device import set_threads, synchronise
from scan2seg.inference.tiling import Predictor
from scan2seg.provenance import record
from scan2seg.slices import read_slices
from scan2seg.storage import open_store, read_json, write_json
from scan2seg.windows import cut_window

REPEATS = 5


def time_inference(
    stack: Path, split: Path, checkpoint: Path, output: Path, inference: dict[str, Any], *, threads: int = 1
) -> None:
    """Measure seconds and pixels a second, the median of five after one that is not counted.

    End to end is reading an image from the stack to its labels in memory; model only is the network, from tiles
    on the device to probabilities on the device.

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
    index = read_json(split)["test"][0]
    image = read_slices(store, index, predictor.neighbours)
    height, width = image.shape[1:]
    batch = torch.from_numpy(np.ascontiguousarray(cut_window(image, (0, 0), predictor.tile))).to(predictor.device)
    batch = batch.repeat(predictor.settings.batch_size, 1, 1, 1)

    def tiles_end_to_end() -> None:
        predictor.run(batch.cpu().to(predictor.device)).argmax(dim=1).cpu()

    def image_end_to_end() -> None:
        predictor.predict(read_slices(store, index, predictor.neighbours)).argmax(dim=0).cpu()

    device, tile_pixels = predictor.device, batch.shape[0] * int(np.prod(predictor.tile))
    tile = _measure(tiles_end_to_end, lambda: predictor.run(batch), device, tile_pixels)
    whole = _measure(image_end_to_end, lambda: predictor.predict(image), device, height * width)
    timings = {
        "tile": tile,
        "image": whole,
        "batch_size": batch.shape[0],
        "tile_size": list(predictor.tile),
        "image_size": [height, width],
        "repeats": REPEATS,
        "threads": threads,
        "device": device,
        "precision": predictor.precision,
        "provenance": record({"inference": inference}, [stack, checkpoint]),
    }
    write_json(output, timings)


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
    work: Callable[[], object], model_work: Callable[[], object], device: str, pixels: int
) -> dict[str, float]:
    end_to_end, model = _median(work, device), _median(model_work, device)
    return {
        "seconds_end_to_end": end_to_end,
        "seconds_model": model,
        "pixels_per_second": pixels / end_to_end,
        "pixels_per_second_model": pixels / model,
    }
