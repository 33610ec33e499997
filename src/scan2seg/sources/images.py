"""Single images and label images, matched by stem."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scan2seg.config.images import ImageFiles, ImageSource
from scan2seg.errors import InputError
from scan2seg.readers.images import image_size, read_image, read_label
from scan2seg.sources import Item, find_files


def input_files(source: ImageSource) -> list[str]:
    """List every file of the source."""
    return [str(path) for _, image, label in _pairs(source) for path in (image, label) if path is not None]


def list_items(settings: dict[str, Any], scans: dict[str, Any]) -> list[Item]:
    """List the images with their labels.

    Raises:
        InputError: a pattern matches nothing, an image has no label or the reverse, or a header cannot be read.
    """
    source = ImageSource.model_validate(settings)
    return [_make_item(source, part, image, label) for part, image, label in _pairs(source)]


def _pairs(source: ImageSource) -> list[tuple[str | None, Path, Path | None]]:
    if source.images is not None:
        files = ImageFiles(images=source.images, labels=source.labels)
        return [(None, image, label) for image, label in match_pairs(files, "source", source.label_suffix)]
    pairs: list[tuple[str | None, Path, Path | None]] = []
    for part in ("train", "validation", "test"):
        files_of_part: ImageFiles | None = getattr(source, part)
        if files_of_part is not None:
            matched = match_pairs(files_of_part, f"source.{part}", source.label_suffix)
            pairs.extend((part, image, label) for image, label in matched)
    return pairs


def match_pairs(files: ImageFiles, key: str, suffix: str | None) -> list[tuple[Path, Path | None]]:
    """Match images to labels by stem, where a label's stem may carry a suffix; a single pair needs no like names.

    Raises:
        InputError: the names of images without labels, and of labels without images.
    """
    images = find_files(files.images, f"{key}.images")
    if files.labels is None:
        return [(image, None) for image in images]
    found = set(images) if files.images == files.labels else set()
    labels = {path.stem: path for path in find_files(files.labels, f"{key}.labels") if path not in found}
    if len(images) == len(labels) == 1:
        return [(images[0], next(iter(labels.values())))]
    stems = {image.stem for image in images}
    if len(stems) < len(images):
        raise InputError(f"{key}.images: two files have the same stem; give them different names")
    if suffix is None:
        suffix = _find_suffix(images, labels)
    missing = [image.name for image in images if image.stem + suffix not in labels]
    if missing:
        raise InputError(f"{key}: no label for {_shown(missing)} among '{files.labels}' (suffix '{suffix}')")
    spare = [path.name for stem, path in labels.items() if stem.removesuffix(suffix) not in stems]
    if spare:
        raise InputError(f"{key}: no image for the labels {_shown(spare)}")
    return [(image, labels[image.stem + suffix]) for image in images]


def _find_suffix(images: list[Path], labels: dict[str, Path]) -> str:
    first = images[0].stem
    candidates = [stem[len(first) :] for stem in labels if stem.startswith(first)]
    counts = {suffix: sum(image.stem + suffix in labels for image in images) for suffix in candidates}
    return max(sorted(counts, key=len), key=lambda suffix: counts[suffix], default="")


def _shown(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _make_item(source: ImageSource, part: str | None, image: Path, label: Path | None) -> Item:
    size = image_size(image)
    if label is not None and (other := image_size(label)) != size:
        raise InputError(f"{label}: is {other[0]} x {other[1]}, its image {image.name} is {size[0]} x {size[1]}")

    def read() -> NDArray[np.float32]:
        pixels = read_image(image)
        channels = pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels, 2, 0)
        return _resize(channels.astype(np.float32), source.resize, order=1)

    def read_raw_label() -> NDArray[Any]:
        pixels = read_label(label) if label is not None else np.empty(0)
        if pixels.shape[:2] != size:
            raise InputError(f"{label}: has shape {pixels.shape[:2]}, its image {size}")
        planes = pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels, 2, 0)
        resized = _resize(planes, source.resize, order=0)
        return resized[0] if pixels.ndim == 2 else np.moveaxis(resized, 0, 2)

    name = image.stem if part is None else f"{part}/{image.stem}"
    return Item(name, image.stem, part, source.resize or size, read, read_raw_label if label else None)


def _resize(planes: NDArray[Any], size: tuple[int, int] | None, order: int) -> NDArray[Any]:
    if size is None or planes.shape[1:] == tuple(size):
        return planes
    from skimage.transform import resize

    smaller = order > 0 and (size[0] < planes.shape[1] or size[1] < planes.shape[2])
    resized: NDArray[Any] = resize(
        planes, (planes.shape[0], *size), order=order, preserve_range=True, anti_aliasing=smaller
    ).astype(planes.dtype)
    return resized
