"""Single images and label images, matched by name."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scan2seg.config.groups import GroupTable
from scan2seg.config.images import ImageFiles, ImageSource
from scan2seg.config.source import ScanVolume
from scan2seg.denoising.images import denoise_image
from scan2seg.errors import InputError
from scan2seg.logging import warn
from scan2seg.readers.images import Header, read_header, read_image, read_label
from scan2seg.sources import Item, find_files
from scan2seg.sources.groups import assign_groups
from scan2seg.sources.matching import match
from scan2seg.sources.names import name_files


@dataclass(frozen=True)
class _Pair:
    name: str
    image: Path
    label: Path | None
    part: str | None = None


def input_files(source: ImageSource) -> list[str]:
    """List every file of the source."""
    files = [str(path) for pair in _pairs(source) for path in (pair.image, pair.label) if path is not None]
    return [*files, source.groups.file] if isinstance(source.groups, GroupTable) else files


def list_items(source: ImageSource, scans: Mapping[str, ScanVolume]) -> list[Item]:
    """List the images with their labels.

    Raises:
        InputError: a pattern matches nothing, an image has no label or the reverse, a header cannot be read, or the
            images are of unlike types.
    """
    pairs = _pairs(source)
    headers = {path: read_header(path) for pair in pairs for path in (pair.image, pair.label) if path is not None}
    _check_types(source, pairs, headers)
    lossy = [pair.label for pair in pairs if pair.label is not None and pair.label.suffix.lower() in (".jpg", ".jpeg")]
    if lossy and source.label_nearest is None:
        warn("%d labels such as %s are JPEG, which changes values and colours; save masks as PNG", len(lossy), lossy[0])
    for pair in pairs:
        _check_label(pair, headers)
    items = [_make_item(source, pair, headers[pair.image]) for pair in pairs]
    return assign_groups(items, [pair.image for pair in pairs], source.groups)


def _pairs(source: ImageSource) -> list[_Pair]:
    if source.images is not None:
        return match_pairs(ImageFiles(images=source.images, labels=source.labels), "source", source)
    parts = {part: getattr(source, part) for part in ("train", "validation", "test")}
    return [
        dataclasses.replace(pair, part=part)
        for part, files in parts.items()
        if files is not None
        for pair in match_pairs(files, f"source.{part}", source)
    ]


def match_pairs(files: ImageFiles, key: str, source: ImageSource) -> list[_Pair]:
    """Match images to labels by name, where a label's may carry a suffix; a single pair needs no like names.

    Raises:
        InputError: the names of images without labels, and of labels without images.
    """
    images = find_files(files.images, f"{key}.images")
    if files.labels is None:
        return [_Pair(name, image, None) for name, image in name_files((files.images, images))[0].items()]
    found = set(images) if files.images == files.labels else set()
    labels = [path for path in find_files(files.labels, f"{key}.labels") if path not in found]
    if len(images) == len(labels) == 1:
        return [_Pair(images[0].stem, images[0], labels[0])]
    named = name_files((files.images, images), (files.labels, labels))
    matched = match(named[0], named[1], key, source.label_suffix, source.unmatched)
    return [_Pair(name, image, label) for name, (image, label) in matched.items()]


def _check_types(source: ImageSource, pairs: list[_Pair], headers: dict[Path, Header]) -> None:
    """Refuse unlike types where they are compared: 16-bit values stand for 257 times those of 8 bits."""
    if source.intensities is None and (held := _word_types([pair.image for pair in pairs], headers)):
        raise InputError(
            f"source.intensities: the images have unlike types ({held}). Set 'type' to divide each by the largest "
            "value of its type, or 'stored' where every model has normalisation: {per_image: true}"
        )
    labels = [pair.label for pair in pairs if pair.label is not None and headers[pair.label].dtype != bool]
    if source.label_nearest is not None and (held := _word_types(labels, headers)):
        raise InputError(f"source.label_nearest: the labels have unlike types ({held}); save all in one type")


def _word_types(paths: list[Path], headers: dict[Path, Header]) -> str | None:
    kinds: dict[str, list[Path]] = {}
    for path in paths:
        kinds.setdefault(str(headers[path].dtype.newbyteorder("=")), []).append(path)
    if len(kinds) < 2:
        return None
    return ", ".join(f"{len(held)} of {name} such as {held[0]}" for name, held in sorted(kinds.items()))


def _check_label(pair: _Pair, headers: dict[Path, Header]) -> None:
    """Check that an image and its label lie on each other."""
    if pair.label is None:
        return
    mine, other = headers[pair.image], headers[pair.label]
    if (other.height, other.width) != (mine.height, mine.width):
        raise InputError(
            f"{pair.label}: is {other.height} x {other.width}, its image {pair.image.name} is "
            f"{mine.height} x {mine.width}"
        )
    if other.orientation != mine.orientation:
        raise InputError(
            f"{pair.image}: is stored turned (TIFF tag Orientation {mine.orientation}) and its label "
            f"{pair.label.name} otherwise ({other.orientation}); save both upright"
        )


def _make_item(source: ImageSource, pair: _Pair, header: Header) -> Item:
    image, label, size = pair.image, pair.label, (header.height, header.width)

    def read() -> NDArray[np.float32]:
        pixels = read_image(image)
        channels = pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels, 2, 0)
        if source.intensities == "type":
            channels = _divide_by_range(channels, image)
        return denoise_image(_resize(channels.astype(np.float32), source.resize, order=1), source.denoising)

    def read_raw_label() -> NDArray[Any]:
        pixels = read_label(label, colours=source.label_colours is not None) if label is not None else np.empty(0)
        if pixels.shape[:2] != size:
            raise InputError(f"{label}: has shape {pixels.shape[:2]}, its image {size}")
        planes = pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels, 2, 0)
        resized = _resize(planes, source.resize, order=0)
        return resized[0] if pixels.ndim == 2 else np.moveaxis(resized, 0, 2)

    name = pair.name if pair.part is None else f"{pair.part}/{pair.name}"
    height, width = source.resize or size
    scale = math.sqrt(size[0] * size[1] / (height * width))
    label_reader = read_raw_label if label else None
    crop = source.foreground_crop or (height, width)
    kept = (min(height, crop[0]), min(width, crop[1]))
    cropped = kept != (height, width)
    return Item(name, pair.name, pair.part, kept, read, label_reader, pixel_scale=scale, cropped=cropped)


def _divide_by_range(pixels: NDArray[Any], path: Path) -> NDArray[np.float32]:
    """Bring whole numbers to 0 to 1 by the largest value of their type; real numbers must be there already."""
    if pixels.dtype.kind in "ui":
        return (pixels / np.iinfo(pixels.dtype).max).astype(np.float32)
    if pixels.dtype.kind == "f" and not (pixels.min() >= 0 and pixels.max() <= 1):
        raise InputError(
            f"{path}: holds real numbers from {pixels.min():g} to {pixels.max():g}; with intensities: type they must "
            "lie within 0 and 1, for their type has no largest value"
        )
    return pixels.astype(np.float32)


def _resize(planes: NDArray[Any], size: tuple[int, int] | None, order: int) -> NDArray[Any]:
    if size is None or planes.shape[1:] == tuple(size):
        return planes
    from skimage.transform import resize

    smaller = order > 0 and (size[0] < planes.shape[1] or size[1] < planes.shape[2])
    resized: NDArray[Any] = resize(
        planes, (planes.shape[0], *size), order=order, preserve_range=True, anti_aliasing=smaller
    ).astype(planes.dtype)
    return resized
