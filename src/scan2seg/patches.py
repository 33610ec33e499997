"""Patches: the windows of the training and validation images that a network sees.

A store with ``image`` (p, c, y, x) float32, ``label`` (p, y, x) uint8,
``statistics`` (p, 2, c) mean and standard deviation of the whole image, or volume, that each is cut from,
``origin`` (p, 3) image index, row and column, ``histogram`` (p, classes) pixels of each class, ``split`` (p,)
0 for training and 1 for validation, and the attributes names, classes, settings, statistics and provenance.
Test images are never in it.

Patches of volumes are (p, c, z, y, x) and (p, z, y, x): consecutive slices of one volume and one side of the split;
their origin names the first. Neighbouring slices as channels are of that volume and side too, and so in every fold:
where a neighbour stands on another side, or on none, the slices are mirrored.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from scan2seg.config.patching import PatchingSettings
from scan2seg.errors import InputError
from scan2seg.ignore import IGNORE
from scan2seg.logging import info, progress, warn
from scan2seg.provenance import record
from scan2seg.slices import StackImages, find_runs, list_volumes, read_slab
from scan2seg.standardisation import measure_images
from scan2seg.storage import create_array, creating, open_store, read_json, shard_length
from scan2seg.windows import cut_window, grid_windows, window_starts

Window = tuple[range, int, int]
"""Image indices, one or those of consecutive slices, first row and first column."""


@dataclass(frozen=True)
class Plan:
    """The windows to cut, and their size."""

    windows: list[Window]
    size: tuple[int, ...]
    """(y, x), or (z, y, x)."""
    runs: list[range]
    """Consecutive images of one volume that are on the same side in the split and in every fold."""


def extract_patches(stack: Path, split: Path, output: Path, settings: PatchingSettings) -> None:
    """Cut the patches of the training and validation images.

    An image or volume smaller than a patch is padded: mirrored image, ignored labels.

    Raises:
        InputError: no patch is left, or the places depend on labels and there are none.
    """
    store = open_store(stack)
    if not store.attrs["labelled"] and (settings.strategy == "foreground" or settings.minimum_foreground > 0):
        raise InputError(f"patching: {stack} has no labels; use strategy: grid with minimum_foreground: 0")
    divided = read_json(split)
    plan = plan_windows(store, list_sides(divided), settings)
    if not plan.windows:
        raise InputError(f"patching: no patch holds {settings.minimum_foreground:.1%} foreground; lower the limit")
    validation = set(divided["validation"])
    classes: list[str] = list(store.attrs["classes"])  # type: ignore[arg-type]
    with creating(output) as group:
        histogram, statistics = _write_windows(group, store, plan, settings, len(classes))
        origin = np.array([(images.start, row, column) for images, row, column in plan.windows], np.int32)
        sides = np.array([images.start in validation for images, _, _ in plan.windows], np.uint8)
        for name, values in (
            ("origin", origin),
            ("histogram", histogram),
            ("split", sides),
            ("statistics", statistics),
        ):
            chunks = tuple(max(length, 1) for length in values.shape)
            array = group.create_array(name, shape=values.shape, dtype=values.dtype, chunks=chunks)
            array[:] = values
        group.attrs.update(
            {
                "classes": classes,
                "names": store.attrs["names"],
                "size": list(plan.size),
                "reading": store.attrs.get("reading"),
                "pixel_size": store.attrs.get("pixel_size"),
                "settings": settings.model_dump(mode="json"),
                "provenance": record({"patching": settings.model_dump(mode="json")}, [stack, split]),
            }
        )
    _report(classes, histogram, sides)


def plan_windows(store: zarr.Group, parts: Sequence[Sequence[int]], settings: PatchingSettings) -> Plan:
    """Choose the windows of the images of each part; none reaches across parts."""
    sizes = np.asarray(store["size"])
    size = settings.pair(settings.size)
    if size is None:
        indices = [index for part in parts for index in part]
        size = (int(sizes[indices, 0].max()), int(sizes[indices, 1].max()))
    stride = settings.pair(settings.stride) or size
    volumes = list_volumes(store)
    runs = sorted((run for part in parts for run, _ in find_runs(volumes, sorted(part))), key=lambda run: run.start)
    slabs = list_slabs(runs, settings)
    _warn_of_mirrored(volumes, runs, settings.neighbours)
    needs_labels = settings.strategy == "foreground" or settings.minimum_foreground > 0
    windows: list[Window] = []
    for images in progress(slabs, "planning patches") if needs_labels else slabs:
        height, width = (int(value) for value in sizes[images.start])
        places = list(grid_windows((height, width), size, stride))
        if needs_labels:
            places = choose_windows(_read_labels(store, images, (height, width)), places, size, settings)
        windows.extend((images, row, column) for row, column in places)
    return Plan(windows, size if settings.depth is None else (settings.depth, *size), runs)


def list_sides(divided: dict[str, Any]) -> list[list[int]]:
    """Divide training and validation images by where they stand in the split and in every fold of split.json.

    Images of one entry are used together or not at all, so that a patch made of them leaks into no fold.
    """
    parts = [part for sides in (divided, *divided.get("folds", [])) for part in (sides["train"], sides["validation"])]
    stands = [set(part) for part in parts]
    sides: dict[tuple[bool, ...], list[int]] = defaultdict(list)
    for index in [*divided["train"], *divided["validation"]]:
        sides[tuple(index in part for part in stands)].append(index)
    return list(sides.values())


def _warn_of_mirrored(volumes: Sequence[range], runs: Sequence[range], neighbours: int) -> None:
    """Say how many images have a neighbour in their volume that their patches must not show."""
    owner = {index: volume for volume in volumes for index in volume}
    wanted = mirrored = 0
    for run in runs:
        for index in run:
            beside = [place for place in range(index - neighbours, index + neighbours + 1) if place in owner[index]]
            wanted += len(beside) - 1
            mirrored += sum(place not in run for place in beside)
    if neighbours and runs and not wanted:
        warn("no image has a neighbouring slice: all channels are the image itself; source.groups names the volumes")
    if mirrored:
        message = "%d of %d neighbouring slices are of another side of the split, or of none, and are mirrored instead"
        warn(f"{message}; blocked and grouped splits keep neighbours together", mirrored, wanted)


def list_slabs(runs: Sequence[range], settings: PatchingSettings) -> list[range]:
    """List the slices of each patch along the stack: single images, or ``depth`` slices of a run.

    Where a run has fewer slices than the depth, the slab is shorter.
    """
    depth = settings.depth or 1
    slabs = [
        range(run.start + first, min(run.start + first + depth, run.stop))
        for run in runs
        for first in window_starts(len(run), depth, settings.depth_stride or depth)
    ]
    short = sum(len(slab) < depth for slab in slabs)
    if short:
        warn("%d of %d slabs have fewer than %d consecutive slices and are mirrored", short, len(slabs), depth)
    return slabs


def choose_windows(
    label: NDArray[np.uint8], places: list[tuple[int, ...]], size: tuple[int, int], settings: PatchingSettings
) -> list[tuple[int, ...]]:
    """Keep windows of a slab's labels (z, y, x) with enough foreground; or only those that hold most of it."""
    foreground = ((label > 0) & (label != IGNORE)).sum(axis=0, dtype=np.int64)
    total = np.pad(foreground.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    height, width = foreground.shape

    def count(place: tuple[int, ...]) -> int:
        top, left = place
        bottom, right = min(top + size[0], height), min(left + size[1], width)
        return int(total[bottom, right] - total[top, right] - total[bottom, left] + total[top, left])

    voxels = (settings.depth or 1) * size[0] * size[1]
    counted = [(count(place), place) for place in places]
    kept = [pair for pair in counted if pair[0] >= settings.minimum_foreground * voxels]
    if settings.strategy == "foreground":
        kept = sorted(kept, key=lambda pair: (-pair[0], pair[1]))[: settings.count]
    return [place for _, place in kept]


def _write_windows(
    group: zarr.Group, store: zarr.Group, plan: Plan, settings: PatchingSettings, classes: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    windows, size = plan.windows, plan.size
    axes = "zyx"[-len(size) :]
    channels = store["image"].shape[1] * (2 * settings.neighbours + 1)  # type: ignore[union-attr]
    shape = (len(windows), channels, *size)
    per_shard = shard_length(shape[1:], "float32", len(windows))
    image = create_array(group, "image", shape, "float32", per_shard=per_shard, axes=f"pc{axes}")
    label = create_array(
        group, "label", (len(windows), *size), "uint8", per_shard=per_shard, axes=f"p{axes}", fill_value=IGNORE
    )
    histogram = np.zeros((len(windows), classes), np.int64)
    blocks = [slice(start, min(start + per_shard, len(windows))) for start in range(0, len(windows), per_shard)]
    slab = (settings.depth or 1, *size[-2:])
    run_of = {index: run for run in plan.runs for index in run}
    statistics = np.zeros((len(windows), 2, channels), np.float32)
    measured, stack = _Statistics(store, settings), StackImages(store)
    current: range | None = None
    pixels: NDArray[Any]
    truth: NDArray[Any]
    for block in progress(blocks, "extracting patches", total=len(blocks)):
        cut = np.empty((block.stop - block.start, *shape[1:]), np.float32)
        labels = np.empty((block.stop - block.start, *size), np.uint8)
        for place, (images, row, column) in enumerate(windows[block]):
            if images != current:
                pixels = read_slab(stack, images, settings.neighbours, run_of[images.start])
                truth = _read_labels(store, images, pixels.shape[2:])
                current = images
            cut[place] = cut_window(pixels, (0, row, column), slab).reshape(shape[1:])
            labels[place] = cut_window(truth, (0, row, column), slab, fill=IGNORE).reshape(size)
            statistics[block.start + place] = measured.of(images, pixels)
            histogram[block.start + place] = np.bincount(labels[place].ravel(), minlength=256)[:classes]
        image[block] = cut
        label[block] = labels
    return histogram, statistics


class _Statistics:
    """Mean and deviation of what patches are cut from: each image, with ``depth`` each volume, measured once."""

    def __init__(self, store: zarr.Group, settings: PatchingSettings) -> None:
        self.read, self.settings = StackImages(store), settings
        volumes = list_volumes(store) if settings.depth else []
        self.volume_of = {index: volume for volume in volumes for index in volume}
        self.found: dict[range, NDArray[np.float32]] = {}

    def of(self, images: range, pixels: NDArray[Any]) -> NDArray[np.float32]:
        """Return (2, c) for the images of a patch, whose pixels (c, z, y, x) are read already."""
        whole = self.volume_of.get(images.start, images)
        if whole not in self.found:
            alone = whole == images and len(images) == 1
            self.found = {whole: measure_images((lambda _: pixels) if alone else self._read, whole)}
        return self.found[whole]

    def _read(self, images: range) -> NDArray[np.float32]:
        return read_slab(self.read, images, self.settings.neighbours, images)


def _read_labels(store: zarr.Group, images: range, size: Sequence[int]) -> NDArray[Any]:
    """Read the labels (z, y, x) of consecutive images in their true height and width, the last two of the size."""
    array: Any = store["label"]
    return np.asarray(array[images.start : images.stop])[:, : size[-2], : size[-1]]


def _report(classes: list[str], histogram: NDArray[np.int64], sides: NDArray[np.uint8]) -> None:
    info("%d training and %d validation patches", int((sides == 0).sum()), int((sides == 1).sum()))
    totals = histogram[sides == 0].sum(axis=0)
    for name, count in zip(classes, totals, strict=True):
        if count == 0:
            warn("no training patch holds the class '%s'; the models cannot learn it", name)
