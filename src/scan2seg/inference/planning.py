"""The stage ``plan_inference``: how a trained model is applied fastest, measured on validation images."""

import math
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import zarr
from numpy.typing import NDArray
from torch import Tensor, nn

from scan2seg.config.training import InferenceSettings
from scan2seg.device import choose_precision, set_threads, synchronise
from scan2seg.documents import Json
from scan2seg.errors import InputError
from scan2seg.evaluation.confusion import confusion_matrix
from scan2seg.evaluation.metrics import class_scores, mean_present
from scan2seg.inference.openvino_network import MOST_SIZES, has_openvino
from scan2seg.inference.part_scoring import draw_images
from scan2seg.inference.prediction import check_channels, walk_labels
from scan2seg.inference.tiling import Predictor
from scan2seg.logging import info
from scan2seg.memory import available_memory
from scan2seg.precision import FLOAT32
from scan2seg.provenance import record
from scan2seg.replicates import sides_of
from scan2seg.slices import find_runs, list_volumes
from scan2seg.storage import open_store, read_json, write_json

ROUNDS = 3
"""So often is each way of a comparison timed, in turn with the others."""
OVERLAPS, BATCHES, LARGER = (0.0, 0.125, 0.25, 0.5), (1, 4, 16, 64), (2, 4)
MEMORY_SHARE = 0.5
"""Of what is free, that the layers of one batch may take."""
Sample = list[tuple[range, range]]


@dataclass
class Way:
    """One way to apply the model: its mean IoU on the sample, and the seconds of each time it was timed."""

    settings: InferenceSettings
    predictor: Predictor
    mean_iou: float
    seconds: list[float] = field(default_factory=list)

    def time(self) -> float:
        """Return the median of the seconds."""
        return statistics.median(self.seconds)


def plan_inference(
    stack: Path,
    split: Path,
    checkpoint: Path,
    output: Path,
    inference: InferenceSettings,
    *,
    fold: int | None = None,
    threads: int = 1,
) -> None:
    """Measure ways to apply a trained model, and write the fastest that is about as good as the best.

    Key by key: size and overlap of the tiles, precision, order in memory, batch size, runtime. Those of a key take
    turns; the fastest goes on to the next key, of those whose mean IoU is at most ``plan.tolerance`` below the best of
    all so far. No other images are read than validation images: for networks that see several slices, they end at
    those.

    Args:
        stack: the images and their labels.
        split: split.json.
        checkpoint: the trained model.
        output: plan.json: "inference", what is planned; "table", a row a way; "left_out", those that would not fit into
            memory; "seconds", what the plan cost; "images", their places in the stack.
        inference: how the model is applied, with the plan's settings.
        fold: of the cross-validation that the model was trained in, None for the split's own parts.
        threads: processor cores.

    Raises:
        InputError: no plan is asked for, there are no validation images, none with labels, or the model was trained on
            other channels.
    """
    started = time.perf_counter()
    if inference.plan is None:
        raise InputError("inference.plan: is not set, so that there is nothing to plan; set it to {}")
    set_threads(threads)
    store, validation = open_store(stack), sides_of(read_json(split), fold)["validation"]
    if not validation:
        raise InputError(f"{split}: holds no validation images to plan with; remove inference.plan, or give it some")
    predictor = Predictor(checkpoint, inference)
    check_channels(store["image"], predictor, checkpoint, stack)
    comparison = Comparison(
        store, predictor, checkpoint, draw_sample(store, validation, inference.plan.images, predictor)
    )
    content = _choose(comparison, inference, inference.plan.keys or (), inference.plan.tolerance)
    content |= {"tolerance": inference.plan.tolerance, "device": predictor.device, "threads": threads}
    settings = {"inference": inference.model_dump(mode="json"), "fold": fold}
    provenance = record(settings, [stack, split, checkpoint])
    write_json(output, {**content, "seconds": time.perf_counter() - started, "provenance": provenance})
    info("%d ways in %.0f s: %s", len(comparison.ways), time.perf_counter() - started, content["inference"])


def _choose(
    comparison: "Comparison", inference: InferenceSettings, keys: Sequence[str], tolerance: float
) -> dict[str, Any]:
    """Compare the ways of one key after the other, and describe what was found."""
    best = comparison.compare([inference], tolerance)
    for vary in (vary_tiles, vary_precision, vary_order, vary_batch, vary_runtime):
        best = comparison.compare(vary(best.settings, keys, comparison), tolerance)
    return comparison.describe(best, keys)


def draw_sample(store: zarr.Group, validation: Sequence[int], most: int, predictor: Predictor) -> Sample:
    """Return runs of validation images, each with the validation images around it that may be seen.

    A network on images gets images drawn by a fixed seed; one on volumes the first slices of the longest run, twice as
    many as a tile is deep where that is more than asked for.
    """
    around = [run for run, _ in find_runs(list_volumes(store), sorted(validation))]
    depth = predictor.tile[0]
    if predictor.model.dimensions == 3:
        longest = max(around, key=len)
        return [(longest[: max(most, 2 * depth)], longest)]
    owner = {index: run for run in around for index in run}
    return [(range(index, index + 1), owner[index]) for index in draw_images(list(validation), most)]


class Comparison:
    """Ways to apply one model to one sample of images; equal ways are measured as one."""

    def __init__(self, store: zarr.Group, predictor: Predictor, checkpoint: Path, sample: Sample) -> None:
        """Read the labels of the sample."""
        self.store, self.predictor, self.checkpoint, self.sample = store, predictor, checkpoint, sample
        self.ways: dict[Any, Way] = {}
        self.left_out: list[Json] = []
        self.images = [index for run, _ in sample for index in run]
        sizes = np.asarray(store["size"])[self.images].tolist()
        self.sizes = [(int(height), int(width)) for height, width in sizes]
        self.largest = (max(height for height, _ in self.sizes), max(width for _, width in self.sizes))
        labels = zip(self.images, self.sizes, strict=True)
        self._truths = [np.asarray(store["label"][index])[:height, :width] for index, (height, width) in labels]  # type: ignore[index]
        self._loaded = {predictor.settings.channels_last: predictor}
        self._layers: float | None = None

    def compare(self, candidates: Sequence[InferenceSettings], tolerance: float) -> Way:
        """Time ways in turn and return the fastest whose mean IoU is within the tolerance of the best of all so far.

        Raises:
            InputError: the labels of the sample hold no class.
        """
        found = [way for way in map(self._find, candidates) if way is not None]
        ways = list({id(way): way for way in found}.values())
        for _ in range(ROUNDS if len(ways) > 1 else 0):
            for way in ways:
                way.seconds.append(self._run(way.predictor)[1])
        best = max(way.mean_iou for way in self.ways.values())
        if math.isnan(best):
            raise InputError("inference.plan: the validation images hold no labels to plan with; remove the plan")
        good = [way for way in ways if way.mean_iou >= best - tolerance]
        return min(good, key=Way.time) if good else max(ways, key=lambda way: way.mean_iou)

    def describe(self, best: Way, keys: Sequence[str]) -> Json:
        """Return what is planned, the table, what was left out, and the images."""
        values = best.settings.model_dump(mode="json")
        return {
            "inference": {key: values[key] for key in keys},
            "table": [self._describe_way(way) | {"chosen": way is best} for way in self.ways.values()],
            "left_out": self.left_out,
            "images": self.images,
        }

    def _describe_way(self, way: Way) -> Json:
        rows, columns = way.predictor.fit_plane(*self.largest)
        computed = len(rows.starts) * rows.seen * len(columns.starts) * columns.seen
        return {
            "tile": [rows.tile, columns.tile],
            "tiles": len(rows.starts) * len(columns.starts),
            "overlap": way.settings.overlap,
            "precision": way.predictor.decision.precision,
            "channels_last": way.settings.channels_last,
            "batch_size": way.settings.batch_size,
            "runtime": way.predictor.decision.runtime,
            "computed": computed / math.prod(self.largest),
            "pixels_per_second": sum(map(math.prod, self.sizes)) / way.time(),
            "mean_iou": way.mean_iou,
        }

    def _find(self, settings: InferenceSettings) -> Way | None:
        """Return a way, measured once; None where it would not fit into memory."""
        if settings.channels_last not in self._loaded:
            self._loaded[settings.channels_last] = Predictor(self.checkpoint, settings)
        predictor = self._loaded[settings.channels_last].with_settings(settings)
        planes = tuple(predictor.fit_plane(*size) for size in self.sizes)
        batch = min(settings.batch_size, max(len(rows.starts) * len(columns.starts) for rows, columns in planes))
        decision = predictor.decision
        signature = (planes, batch, decision.precision, decision.runtime, settings.channels_last)
        if signature not in self.ways:
            pixels = batch * predictor.tile[0] * max(rows.seen * columns.seen for rows, columns in planes)
            if self.ways and not self._fits(predictor, pixels):
                self.left_out.append({"tile": settings.tile, "overlap": settings.overlap, "batch_size": batch})
                return None
            labels, _ = self._run(predictor)  # the first run, which warms up, is not timed
            self.ways[signature] = Way(settings, predictor, self._score(labels, len(predictor.classes)))
            self.ways[signature].seconds.append(self._run(predictor)[1])
        return self.ways[signature]

    def _run(self, predictor: Predictor) -> tuple[list[NDArray[Any]], float]:
        """Return the labels of the sample, and the seconds from the stack to them."""
        predictor.forget_volumes()
        synchronise(predictor.device)
        started = time.perf_counter()
        labels = list(walk_labels(self.store, self.sample, predictor))
        return labels, time.perf_counter() - started

    def _score(self, labels: Sequence[NDArray[Any]], classes: int) -> float:
        pairs = zip(self._truths, labels, strict=True)
        matrix = np.sum([confusion_matrix(truth, found, classes) for truth, found in pairs], axis=0)
        return float(mean_present(class_scores(matrix)["iou"]))

    def _fits(self, predictor: Predictor, pixels: int) -> bool:
        """Tell whether the layers of a batch of so many pixels would surely find room."""
        if self._layers is None:
            self._layers = measure_layers(predictor)
        free = available_memory() if predictor.device == "cpu" else torch.cuda.mem_get_info()[0]
        return self._layers * pixels <= MEMORY_SHARE * free


def vary_tiles(settings: InferenceSettings, keys: Sequence[str], comparison: Comparison) -> list[InferenceSettings]:
    """Return the settings with tiles from that of training to whole images, and with several overlaps."""
    height, width = comparison.largest
    tiles: list[Any] = [settings.tile]
    if "tile" in keys:
        side, across = comparison.predictor.tile[1:]
        tiles += [(side * by, across * by) for by in LARGER if side * by < height or across * by < width]
        tiles.append((height, width))
    overlaps = OVERLAPS if "overlap" in keys else (settings.overlap,)
    return [settings.model_copy(update={"tile": tile, "overlap": overlap}) for tile in tiles for overlap in overlaps]


def vary_precision(settings: InferenceSettings, keys: Sequence[str], comparison: Comparison) -> list[InferenceSettings]:
    """Return the settings with float32, and with half precision where the device computes with it."""
    wanted = ("float32", choose_precision("auto", comparison.predictor.device)) if "precision" in keys else ()
    return [settings, *(settings.model_copy(update={"precision": name}) for name in wanted)]


def vary_order(settings: InferenceSettings, keys: Sequence[str], _: Comparison) -> list[InferenceSettings]:
    """Return the settings with both orders of channels in memory."""
    orders = (True, False) if "channels_last" in keys else ()
    return [settings, *(settings.model_copy(update={"channels_last": order}) for order in orders)]


def vary_batch(settings: InferenceSettings, keys: Sequence[str], _: Comparison) -> list[InferenceSettings]:
    """Return the settings with several numbers of tiles a batch."""
    sizes = BATCHES if "batch_size" in keys else ()
    return [settings, *(settings.model_copy(update={"batch_size": size}) for size in sizes)]


def vary_runtime(settings: InferenceSettings, keys: Sequence[str], comparison: Comparison) -> list[InferenceSettings]:
    """Return the settings with OpenVINO too, where it is installed and the stack is cut into tiles of a few sizes.

    It converts the network for each size, which would take longer than it saves where every image has its own.
    """
    predictor = comparison.predictor.with_settings(settings)
    sizes = np.unique(np.asarray(comparison.store["size"]), axis=0).tolist()
    planes = (predictor.fit_plane(*size) for size in sizes)
    tiles = {(rows.seen, columns.seen) for rows, columns in planes}
    pays = "runtime" in keys and predictor.device == "cpu" and len(tiles) <= MOST_SIZES and has_openvino()
    return [settings, *([settings.model_copy(update={"runtime": "openvino"})] if pays else [])]


def measure_layers(predictor: Predictor) -> float:
    """Return the bytes of the outputs of all layers a pixel of a tile: more than any batch holds of them at a time."""
    total = 0

    def add(_: nn.Module, __: tuple[Tensor, ...], output: Any) -> None:
        nonlocal total
        total += output.nbytes if isinstance(output, Tensor) else 0

    layers = [module for module in predictor.model.modules() if not list(module.children())]
    hooks = [layer.register_forward_hook(add) for layer in layers]
    with torch.inference_mode():
        tile = torch.zeros(1, predictor.model.channels, *predictor.tile, device=predictor.device)
        predictor.logits(tile, FLOAT32)
    for hook in hooks:
        hook.remove()
    return total / math.prod(predictor.tile)
