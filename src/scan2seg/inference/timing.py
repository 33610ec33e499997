"""How long prediction takes: a batch of tiles and a whole image, end to end and the model alone."""

import itertools
import math
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import zarr
from numpy.typing import NDArray
from torch import Tensor

from scan2seg.config.training import InferenceSettings
from scan2seg.device import set_threads, synchronise
from scan2seg.documents import Json
from scan2seg.inference.plan import read_plan
from scan2seg.inference.tiling import Predictor
from scan2seg.provenance import record
from scan2seg.slices import find_runs, list_volumes, read_slab
from scan2seg.storage import open_store, read_json, write_json

REPEATS = 5
MOST_BATCHES = 32
"""So many batches of an image are timed with the model alone, evenly spread."""


def time_inference(
    stack: Path,
    split: Path,
    checkpoint: Path,
    output: Path,
    inference: InferenceSettings,
    *,
    plan: Path | None = None,
    threads: int = 1,
) -> None:
    """Measure seconds and pixels a second, the median of five after one that is not counted.

    End to end is reading an image from the stack to its labels in memory, with tiling and blending, without writing;
    model only is the network's forward pass alone, on the same tiles, which are on the device already. The two are
    measured in turn. For a network on volumes it is the mean of the first test slices, two tiles deep.

    Args:
        stack: the images.
        split: split.json; the first test image is used.
        checkpoint: the trained model.
        output: timing.json; "plan" is that of the inference.
        inference: how the model is applied.
        plan: plan.json, where the settings ask for one.
        threads: processor cores.
    """
    set_threads(threads)
    inference = read_plan(plan, inference) if plan is not None else inference
    predictor = Predictor(checkpoint, inference)
    images = _FirstImages(open_store(stack), read_json(split)["test"], predictor)
    images.predict()
    batches, share = _sample(images.cut)
    full = batches[0][:1].repeat(predictor.settings.batch_size, 1, 1, 1, 1)

    def predict_tiles() -> None:
        predictor.run(full.cpu().to(predictor.device)).argmax(dim=1).cpu()

    def pass_tiles() -> None:
        for tiles in batches:
            predictor.forward(tiles)

    device, pixels = predictor.device, full.shape[0] * math.prod(full.shape[2:])
    timings = {
        "tile": _measure(predict_tiles, lambda: predictor.forward(full), device, 1, pixels),
        "image": _measure(images.predict, pass_tiles, device, len(images.run), math.prod(images.size), share),
        "image_size": list(images.size),
    }
    setting = _describe_setting(predictor, list(full.shape[-predictor.model.dimensions :]), threads)
    used = [stack, checkpoint, *([plan] if plan is not None else [])]
    provenance = record({"inference": inference.model_dump(mode="json")}, used)
    write_json(output, {**timings, **setting, **_copy_plan(plan), "provenance": provenance})


class _FirstImages:
    """The first test image of a stack, or the first slices of its volume, two tiles deep."""

    def __init__(self, store: zarr.Group, tested: list[int], predictor: Predictor) -> None:
        self.store, self.predictor = store, predictor
        run, self.volume = find_runs(list_volumes(store), tested)[0]
        depth = predictor.tile[0]
        self.run = run[: 2 * depth if depth > 1 else 1]
        self.slabs: list[NDArray[np.float32]] = []

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels, once they were predicted."""
        height, width = self.slabs[0].shape[2:]
        return height, width

    def predict(self) -> None:
        """Read and predict them, and forget the labels."""
        self.slabs.clear()
        for _ in self.predictor.walk_labels(self._read, self.run, self.volume):
            pass

    def cut(self) -> Iterator[Tensor]:
        """Yield their tiles in batches, once they were predicted."""
        return (tiles for slab in self.slabs for _, tiles in self.predictor.cut(slab))

    def _read(self, images: range) -> NDArray[np.float32]:
        self.slabs.append(read_slab(self.store, images, self.predictor.neighbours, self.volume))
        return self.slabs[-1]


def _describe_setting(predictor: Predictor, tile: list[int], threads: int) -> Json:
    return {
        "batch_size": predictor.settings.batch_size,
        "tile_size": tile,
        "repeats": REPEATS,
        "threads": threads,
        "device": predictor.device,
        **predictor.decision.describe(),
    }


def _copy_plan(plan: Path | None) -> Json:
    found: Json = read_json(plan) if plan is not None else {}
    return {"plan": {key: value for key, value in found.items() if key != "provenance"}} if found else {}


def _sample(batches: Callable[[], Iterator[Tensor]]) -> tuple[list[Tensor], float]:
    """Return at most 32 batches, evenly spread, and their share of all tiles; memory never holds more of them."""
    sizes = [len(batch) for batch in batches()]
    chosen = list(itertools.islice(batches(), 0, None, -(-len(sizes) // MOST_BATCHES)))
    return chosen, sum(map(len, chosen)) / sum(sizes)


def _measure(
    work: Callable[[], object],
    model_work: Callable[[], object],
    device: str,
    count: int,
    pixels: int,
    share: float = 1.0,
) -> dict[str, float]:
    """Measure work on a number of items with so many pixels each, and the model's part of it, in turn.

    Seconds are those of one item; the model does a share of the work.
    """
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(1 + REPEATS):  # the first is not counted
        for each, found in zip((work, model_work), seconds, strict=True):
            synchronise(device)
            started = time.perf_counter()
            each()
            synchronise(device)
            found.append(time.perf_counter() - started)
    end_to_end = statistics.median(seconds[0][1:]) / count
    ratios = [part / whole / share for whole, part in zip(seconds[0][1:], seconds[1][1:], strict=True)]
    # the forward passes are a part of the whole: more than all of it can only be what else the machine was doing
    model = end_to_end * min(1.0, statistics.median(ratios))
    return {
        "seconds_end_to_end": end_to_end,
        "seconds_model": model,
        "pixels_per_second": pixels / end_to_end,
        "pixels_per_second_model": pixels / model,
    }
