"""The stack: the one form that every source takes, and all that the later stages see.

A store with ``image`` (n, c, y, x), ``label`` (n, y, x) uint8 (255 = ignore), ``size`` (n, 2) heights
and widths before padding at the bottom and right, and the attributes names, groups, parts, hashes, classes,
pixel_size, labelled, reading (see ``config.image_reading``) and provenance. Images are uint8, uint16 or int16 where
that holds the values of all of them exactly, else float32. ``pixel_size`` is the edge of a pixel in micrometres that
all images have in common, or null; where they differ, ``pixel_sizes`` lists that of each image (null where its file
does not say it). ``spacings`` names those volumes (groups) whose files say the distance of their slices, rows and
columns in micrometres.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from scan2seg.config.image_reading import Reading
from scan2seg.config.labels import LabelMapping
from scan2seg.config.source import ScanVolume, StackSource
from scan2seg.continuation import Unfinished, continuing
from scan2seg.cropping import crop_to_foreground
from scan2seg.documents import Json
from scan2seg.errors import InputError
from scan2seg.ignore import IGNORE
from scan2seg.labels import holds_no_named_colour, map_labels, word_unnamed
from scan2seg.logging import info, progress, warn
from scan2seg.pixel_types import TooNarrowError, find_type, store_as
from scan2seg.provenance import record
from scan2seg.sources import Item, input_paths, list_items, read_item
from scan2seg.storage import create_array, open_store, shards


def assemble_stack(
    source: StackSource,
    output: Path,
    *,
    classes: Sequence[str],
    scans: Mapping[str, ScanVolume] | None = None,
    pixel_size: float | None = None,
    threads: int = 1,
) -> None:
    """Read every image and label, map labels to classes, pad to a common size and write the stack.

    Args:
        source: of the dataset; its label keys say how raw labels become classes.
        output: the Zarr store to write.
        classes: class names in the order of their indices; none for data without labels.
        scans: name to volume and labels of each scan, where the source is scans.
        pixel_size: micrometres, before images are resized; None takes what each file says.
        threads: images read at a time.

    Raises:
        InputError: no images, names that stand twice, a label of another shape, a label value or colour that
            no class claims, labels that all hold no named colour, values that are not finite.
    """
    scans = scans or {}
    items = list_items(source, scans)
    labelled = _check_items(items, classes)
    sizes = _find_pixel_sizes(items, pixel_size)
    channels = max(item.channels or item.read().shape[0] for item in _sample(items))
    height, width = (max(item.size[axis] for item in items) for axis in (0, 1))
    read = _make_reader(source, classes, channels, (height, width), labelled)
    kind = find_type(read_item(items[0], channels, source.kind))
    shapes = (len(items), channels, height, width), (len(items), height, width)
    settings = _settings(source, scans, classes)
    with continuing(output, [settings, pixel_size], input_paths(source, scans)) as unfinished:
        while True:
            try:
                hashes, held = _write_images(items, unfinished, shapes, kind, read, threads)
                break
            except TooNarrowError as error:
                info("images need %s, begun anew", error.wider)
                kind = error.wider
                unfinished.begin_anew()
        group = unfinished.group
        _report_unnamed([name for name, one in held if holds_no_named_colour(one, source, classes)], len(items), source)
        counts: NDArray[np.int64] = np.sum([one for _, one in held], axis=0)
        _write_attributes(
            group, items, classes, sizes, labelled, hashes, record(settings, input_paths(source, scans)), counts
        )
        group.attrs["reading"] = Reading.of(source).model_dump(mode="json")
    _report(items, classes, counts, labelled)


def _write_images(
    items: Sequence[Item],
    unfinished: Unfinished,
    shapes: tuple[tuple[int, ...], tuple[int, ...]],
    kind: np.dtype[Any],
    read: "ItemReader",
    threads: int,
) -> tuple[list[str], list[tuple[str, NDArray[np.int64]]]]:
    """Write images and labels shard by shard; return the hash of each image, and its name and the pixels of each label.

    What an earlier try has finished is not read again.

    Raises:
        TooNarrowError: the type of the images does not hold the values of one.
    """
    group = unfinished.group
    image = unfinished.array("image", lambda: create_array(group, "image", shapes[0], kind, axes="ncyx"))
    form: Json = {"axes": "nyx", "fill_value": IGNORE, "per_shard": (image.shards or image.chunks)[0]}
    label = unfinished.array("label", lambda: create_array(group, "label", shapes[1], "uint8", **form))
    hashes, held = list[str](), list[tuple[str, NDArray[np.int64]]]()
    with ThreadPoolExecutor(threads) as pool:
        for block in progress(shards(image), "assembling", total=len(shards(image))):
            notes = unfinished.find(block, [image, label])
            if not notes:
                results = list(pool.map(lambda item: read(item, image.dtype), items[block]))
                image[block] = np.stack([result[0] for result in results])
                label[block] = np.stack([result[1] for result in results])
                notes = [[[digest, _list_pixels(counts)] for _, _, digest, counts in results]]
                unfinished.finish(block, notes[0])
            hashes.extend(digest for digest, _ in notes[0])
            held.extend((item.name, _count(pixels)) for item, (_, pixels) in zip(items[block], notes[0], strict=True))
    return hashes, held


def _list_pixels(counts: NDArray[np.int64]) -> list[list[int]]:
    """Return the labels that an image holds, each with its pixels, JSON-ready."""
    return [[int(label), int(counts[label])] for label in np.flatnonzero(counts)]


def _count(pixels: list[list[int]]) -> NDArray[np.int64]:
    counts = np.zeros(256, np.int64)
    for label, count in pixels:
        counts[label] = count
    return counts


def _settings(source: StackSource, scans: Mapping[str, ScanVolume], classes: Sequence[str]) -> Json:
    files = {name: volume.model_dump(mode="json") for name, volume in scans.items()}
    return {"source": source.model_dump(mode="json"), "scans": files, "classes": list(classes)}


def read_classes(stack: Path | str) -> list[str]:
    """Return the class names of a stack."""
    return list(open_store(stack).attrs["classes"])  # type: ignore[arg-type]


def _check_items(items: Sequence[Item], classes: Sequence[str]) -> bool:
    if not items:
        raise InputError("source: there are no images")
    names = [item.name for item in items]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"source: the image name '{twice}' stands twice; names must differ")
    labelled = all(item.read_label is not None for item in items)
    if not labelled and any(item.read_label is not None for item in items):
        missing = next(item.name for item in items if item.read_label is None)
        raise InputError(f"source: {missing} has no labels, other images have; give labels for all or for none")
    if labelled and not classes:
        raise InputError("classes: labels are given, so name their classes")
    return labelled


def _find_pixel_sizes(items: Sequence[Item], given: float | None) -> list[float | None]:
    """Return the edge of a pixel of each image; say where a file contradicts the user, or images each other."""
    said = next((item for item in items if given and item.pixel_size and not _alike(item.pixel_size, given)), None)
    if said is not None:
        warn("pixel_size: %g is used, though %s says %g micrometres", given, said.name, said.pixel_size)
    known = [given or item.pixel_size for item in items]
    sizes = [
        None if size is None else float(f"{size * item.pixel_scale:.7g}")
        for size, item in zip(known, items, strict=True)
    ]
    groups: dict[float | None, set[str]] = {}
    for size, item in zip(sizes, items, strict=True):
        groups.setdefault(size, set()).add(item.group)
    if len(groups) > 1:
        kinds = sorted(groups.items(), key=lambda entry: -len(entry[1]))
        worded = [
            f"{'unknown' if size is None else f'{size:g} micrometres'} ({min(names)}"
            + (f" and {len(names) - 1} more)" if len(names) > 1 else ")")
            for size, names in kinds[:5]
        ]
        warn(
            "images have unlike pixel sizes: %s%s. Diameters are measured with each image's own%s; a model sees them "
            "as they are, so bring volumes to one size with spacing:",
            ", ".join(worded),
            f" and {len(kinds) - 5} more" if len(kinds) > 5 else "",
            "" if None not in groups else ", in pixels while one is unknown",
        )
    return sizes


def _find_spacings(items: Sequence[Item], pixel_sizes: Sequence[float | None]) -> dict[str, list[float]]:
    """Return the voxel spacing of each volume whose file says it; a given pixel size stretches all three alike."""
    found: dict[str, list[float]] = {}
    for item, size in zip(items, pixel_sizes, strict=True):
        if item.group not in found and item.spacing and item.pixel_size and size:
            found[item.group] = [length * size / item.pixel_size for length in item.spacing]
    return found


def _alike(first: float, second: float) -> bool:
    return abs(first - second) <= 1e-3 * second


def _sample(items: Sequence[Item]) -> Sequence[Item]:
    """Choose images whose channels are looked at: all of a small set, every so many of a large one."""
    return items[:: max(1, len(items) // 1000)]


ItemReader = Callable[[Item, np.dtype[Any]], tuple[NDArray[Any], NDArray[np.uint8], str, NDArray[np.int64]]]
"""Reads an item in a type: its image and label, padded, the image's hash, and the pixels of each label."""


def _make_reader(
    source: StackSource, classes: Sequence[str], channels: int, size: tuple[int, int], labelled: bool
) -> ItemReader:
    def read(item: Item, kind: np.dtype[Any]) -> tuple[NDArray[Any], NDArray[np.uint8], str, NDArray[np.int64]]:
        pixels = read_item(item, channels, source.kind)
        label = np.full(pixels.shape[1:], IGNORE, np.uint8)
        if labelled and item.read_label is not None:
            try:
                label = map_labels(item.read_label(), source, classes)
            except InputError as error:
                raise InputError(f"labels of {item.name}: {error}") from None
        if label.shape != pixels.shape[1:]:
            raise InputError(f"labels of {item.name}: have shape {label.shape}, the image {pixels.shape[1:]}")
        if item.cropped:
            pixels, label = crop_to_foreground(pixels, label, item.size)
        digest = hashlib.sha256(repr(pixels.shape).encode() + pixels.tobytes()).hexdigest()[:16]
        rest = [(0, size[axis] - label.shape[axis]) for axis in (0, 1)]
        padded = np.pad(store_as(pixels, kind), [(0, 0), *rest])
        counts = np.bincount(label.ravel(), minlength=256)
        return padded, np.pad(label, rest, constant_values=IGNORE), digest, counts

    return read


def _write_attributes(
    group: zarr.Group,
    items: Sequence[Item],
    classes: Sequence[str],
    pixel_sizes: list[float | None],
    labelled: bool,
    hashes: list[str],
    provenance: Json,
    counts: NDArray[np.int64],
) -> None:
    size = group.create_array("size", shape=(len(items), 2), dtype="int32", chunks=(len(items), 2))
    size[:] = np.array([item.size for item in items], np.int32)
    common = pixel_sizes[0] if len(set(pixel_sizes)) == 1 else None
    group.attrs.update(
        {
            "names": [item.name for item in items],
            "groups": [item.group for item in items],
            "parts": [item.part for item in items],
            "hashes": hashes,
            "classes": list(classes),
            "class_pixels": counts[: len(classes)].tolist(),
            "labelled": labelled,
            "pixel_size": common,
            **({} if common or not any(pixel_sizes) else {"pixel_sizes": pixel_sizes}),
            "spacings": _find_spacings(items, pixel_sizes),
            "provenance": provenance,
        }
    )


def _report_unnamed(names: Sequence[str], total: int, mapping: LabelMapping) -> None:
    if not names:
        return
    message = word_unnamed(names, total, mapping)
    if len(names) == total:
        raise InputError(f"source.label_colours: {message}")
    warn("%s", message)


def _report(items: Sequence[Item], classes: Sequence[str], counts: NDArray[np.int64], labelled: bool) -> None:
    info("%d images of %d groups", len(items), len({item.group for item in items}))
    if labelled:
        total = max(int(counts[: len(classes)].sum()), 1)
        shares = ", ".join(f"{name} {count / total:.2%}" for name, count in zip(classes, counts, strict=False))
        info("classes: %s; ignored pixels: %d", shares, int(counts[IGNORE]))
        for index, name in enumerate(classes):
            if counts[index] == 0:
                info("no label holds the class '%s'", name)
