"""How long prediction takes: a batch of tiles and a whole image, end to end and the model alone."""

import itertools
import math
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import zarr
from torch import Tensor

from scan2seg.config.training import InferenceSettings
from scan2seg.device import set_threads, synchronise
from scan2seg.documents import Json
from scan2seg.inference.plan import read_plan
from scan2seg.inference.tiling import Predictor
from scan2seg.places import evenly
from scan2seg.provenance import record
from scan2seg.slices import StackImages, find_runs, list_volumes, read_slab
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
    model only is the network's forward pass alone, on the tiles that it computes for that, not those of one value, and
    they are on the device already. The two are measured in turn. For a network on volumes it is the mean of the first
    test slices, two tiles deep, without what ``normalisation: per_image`` measures once a volume.

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
    inference = read_plan(plan, inference)
    predictor = _WatchedPredictor(checkpoint, inference)
    images = _FirstImages(open_store(stack), read_json(split)["test"], predictor)
    full = images.warm_up()[:1].repeat(predictor.settings.batch_size, 1, 1, 1, 1)
    batches, share = images.sample()

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


class _WatchedPredictor(Predictor):
    """Tells which batches of tiles its network computes."""

    watch: Callable[[Tensor], object] | None = None

    def run(self, tiles: Tensor) -> Tensor:
        """Do what every predictor does."""
        if self.watch is not None:
            self.watch(tiles)
        return super().run(tiles)


class _FirstImages:
    """The first test image of a stack, or the first slices of its volume, two tiles deep."""

    def __init__(self, store: zarr.Group, tested: list[int], predictor: _WatchedPredictor) -> None:
        self.predictor = predictor
        run, self.volume = find_runs(list_volumes(store), tested)[0]
        depth = predictor.tile[0]
        self.run = run[: 2 * depth if depth > 1 else 1]
        height, width = np.asarray(store["size"])[self.run.start].tolist()
        self.size: tuple[int, int] = (height, width)
        self._read = partial(read_slab, StackImages(store), neighbours=predictor.neighbours, within=self.volume)

    def predict(self) -> None:
        """Read and predict them, and forget the labels."""
        for _ in self.predictor.walk_labels(self._read, self.run, self.volume):
            pass

    def warm_up(self) -> Tensor:
        """Predict them for the first time; return the first tiles, which are computed whatever they hold."""
        batches: list[Tensor] = []

        def keep(tiles: Tensor) -> None:
            if not batches:
                batches.append(tiles)

        self._predict_watched(keep)
        return batches[0]

    def sample(self) -> tuple[list[Tensor], float]:
        """Return at most 32 of the batches that the network computes, evenly spread, and their share of all its tiles.

        Memory never holds more of them.
        """
        sizes: list[int] = []
        self._predict_watched(lambda tiles: sizes.append(len(tiles)))
        wanted, places = set(evenly(len(sizes), MOST_BATCHES)), itertools.count()
        chosen: list[Tensor] = []

        def keep(tiles: Tensor) -> None:
            if next(places) in wanted:
                chosen.append(tiles)

        self._predict_watched(keep)
        return chosen, sum(map(len, chosen)) / max(sum(sizes), 1) or 1.0

    def _predict_watched(self, watch: Callable[[Tensor], object]) -> None:
        self.predictor.watch = watch
        self.predict()
        self.predictor.watch = None


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
