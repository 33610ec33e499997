"""Patches: the windows of the training and validation images that a network sees.

A store with ``image`` (p, c, y, x) float32, ``label`` (p, y, x) uint8,
``origin`` (p, 3) image index, row and column, ``histogram`` (p, classes) pixels of each class, ``split`` (p,)
0 for training and 1 for validation, and the attributes names, classes, settings, statistics and provenance.
Test images are never in it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from scan2seg.config.patching import PatchingSettings
from scan2seg.errors import InputError
from scan2seg.labels import IGNORE
from scan2seg.logging import info, progress, warn
from scan2seg.provenance import record
from scan2seg.slices import read_slices
from scan2seg.storage import create_array, creating, open_store, read_json, shard_length
from scan2seg.windows import cut_window, grid_windows

Window = tuple[int, int, int]
"""Image index, first row and first column."""


@dataclass(frozen=True)
class Plan:
    """The windows to cut, and their size."""

    windows: list[Window]
    size: tuple[int, int]


def extract_patches(stack: Path, split: Path, output: Path, settings: PatchingSettings) -> None:
    """Cut the patches of the training and validation images.

    An image smaller than a patch is padded: mirrored image, ignored labels.

    Raises:
        InputError: no patch is left, or the places depend on labels and there are none.
    """
    store = open_store(stack)
    if not store.attrs["labelled"] and (settings.strategy == "foreground" or settings.minimum_foreground > 0):
        raise InputError(f"patching: {stack} has no labels; use strategy: grid with minimum_foreground: 0")
    divided = read_json(split)
    indices = sorted([*divided["train"], *divided["validation"]])
    plan = plan_windows(store, indices, settings)
    if not plan.windows:
        raise InputError(f"patching: no patch holds {settings.minimum_foreground:.1%} foreground; lower the limit")
    validation = set(divided["validation"])
    classes: list[str] = list(store.attrs["classes"])  # type: ignore[arg-type]
    with creating(output) as group:
        histogram = _write_windows(group, store, plan, settings, len(classes))
        origin = np.array(plan.windows, np.int32)
        sides = np.array([window[0] in validation for window in plan.windows], np.uint8)
        for name, values in (("origin", origin), ("histogram", histogram), ("split", sides)):
            chunks = tuple(max(length, 1) for length in values.shape)
            array = group.create_array(name, shape=values.shape, dtype=values.dtype, chunks=chunks)
            array[:] = values
        group.attrs.update(
            {
                "classes": classes,
                "names": store.attrs["names"],
                "size": list(plan.size),
                "settings": settings.model_dump(mode="json"),
                "provenance": record({"patching": settings.model_dump(mode="json")}, [stack, split]),
            }
        )
    _report(classes, histogram, sides)


def plan_windows(store: zarr.Group, indices: Sequence[int], settings: PatchingSettings) -> Plan:
    """Choose the windows of the given images."""
    sizes = np.asarray(store["size"])
    size = settings.pair(settings.size)
    if size is None:
        size = (int(sizes[list(indices), 0].max()), int(sizes[list(indices), 1].max()))
    stride = settings.pair(settings.stride) or size
    needs_labels = settings.strategy == "foreground" or settings.minimum_foreground > 0
    windows: list[Window] = []
    for index in progress(indices, "planning patches") if needs_labels else indices:
        height, width = (int(value) for value in sizes[index])
        places = list(grid_windows((height, width), size, stride))
        if needs_labels:
            label = np.asarray(store["label"][index])[:height, :width]  # type: ignore[index]
            places = choose_windows(label, places, size, settings)
        windows.extend((index, row, column) for row, column in places)
    return Plan(windows, size)


def choose_windows(
    label: NDArray[np.uint8], places: list[tuple[int, int]], size: tuple[int, int], settings: PatchingSettings
) -> list[tuple[int, int]]:
    """Keep windows with enough foreground; with the foreground strategy only those that hold most of it."""
    foreground = ((label > 0) & (label != IGNORE)).astype(np.int64)
    total = np.pad(foreground.cumsum(0).cumsum(1), ((1, 0), (1, 0)))

    def count(place: tuple[int, int]) -> int:
        bottom, right = min(place[0] + size[0], label.shape[0]), min(place[1] + size[1], label.shape[1])
        return int(total[bottom, right] - total[place[0], right] - total[bottom, place[1]] + total[place])

    counted = [(count(place), place) for place in places]
    kept = [pair for pair in counted if pair[0] >= settings.minimum_foreground * size[0] * size[1]]
    if settings.strategy == "foreground":
        kept = sorted(kept, key=lambda pair: (-pair[0], pair[1]))[: settings.count]
    return [place for _, place in kept]


def _write_windows(
    group: zarr.Group, store: zarr.Group, plan: Plan, settings: PatchingSettings, classes: int
) -> NDArray[np.int64]:
    windows, size = plan.windows, plan.size
    stored: Any = store["image"]
    truths: Any = store["label"]
    channels = stored.shape[1] * (2 * settings.neighbours + 1)
    shape = (len(windows), channels, *size)
    per_shard = shard_length(shape[1:], "float32", len(windows))
    image = create_array(group, "image", shape, "float32", per_shard=per_shard, axes="pcyx")
    label = create_array(
        group, "label", (len(windows), *size), "uint8", per_shard=per_shard, axes="pyx", fill_value=IGNORE
    )
    histogram = np.zeros((len(windows), classes), np.int64)
    blocks = [slice(start, min(start + per_shard, len(windows))) for start in range(0, len(windows), per_shard)]
    current = -1
    pixels: NDArray[Any]
    truth: NDArray[Any]
    for block in progress(blocks, "extracting patches", total=len(blocks)):
        images = np.empty((block.stop - block.start, channels, *size), np.float32)
        labels = np.empty((block.stop - block.start, *size), np.uint8)
        for place, (index, row, column) in enumerate(windows[block]):
            if index != current:
                pixels = read_slices(store, index, settings.neighbours)
                truth = np.asarray(truths[index])[: pixels.shape[1], : pixels.shape[2]]
                current = index
            images[place] = cut_window(pixels, (row, column), size)
            labels[place] = cut_window(truth, (row, column), size, fill=IGNORE)
            histogram[block.start + place] = np.bincount(labels[place].ravel(), minlength=256)[:classes]
        image[block] = images
        label[block] = labels
    return histogram


def _report(classes: list[str], histogram: NDArray[np.int64], sides: NDArray[np.uint8]) -> None:
    info("%d training and %d validation patches", int((sides == 0).sum()), int((sides == 1).sum()))
    totals = histogram[sides == 0].sum(axis=0)
    for name, count in zip(classes, totals, strict=True):
        if count == 0:
            warn("no training patch holds the class '%s'; the models cannot learn it", name)
