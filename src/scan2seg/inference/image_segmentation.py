"""One image file: its pixels in, its labels and what they tell out."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scan2seg.documents import Json
from scan2seg.evaluation.microstructure import Microstructure
from scan2seg.inference.applied_model import AppliedModel, compare, list_facts
from scan2seg.inference.label_files import write_image
from scan2seg.inference.label_grid import restore_image
from scan2seg.inference.labelling import label_image, read_pixels
from scan2seg.inference.segmentation_inputs import Input
from scan2seg.inference.segmentation_outputs import claim
from scan2seg.sources import Item


@dataclass(frozen=True)
class ImagePixels:
    """An image as the model takes it."""

    pixels: NDArray[np.float32]
    size: tuple[int, int]
    """Of its file, (y, x)."""
    edge: float | None
    """Of a pixel of its file, in micrometres."""
    seen_edge: float | None
    """Of a pixel as the model takes it."""


@dataclass(frozen=True)
class ImageLabels:
    """What a model said of an image."""

    labels: NDArray[np.uint8]
    edge: float | None
    unlike: list[str]


def read_image(found: Input, items: list[Item], applied: AppliedModel) -> ImagePixels:
    """Read an image."""
    (item,) = items
    edge = applied.options.pixel_size or item.pixel_size
    return ImagePixels(read_pixels(item, applied.predictor), found.read_size(), edge, edge and edge * item.pixel_scale)


def compute_labels(found: Input, image: ImagePixels, applied: AppliedModel) -> ImageLabels:
    """Return the labels of an image in the size of its file, and what makes it unlike the training images."""
    unlike = compare(found, [image.pixels], image.seen_edge, applied)
    return ImageLabels(restore_image(label_image(image.pixels, applied.predictor), image.size), image.edge, unlike)


def write_labels(found: Input, made: ImageLabels, target: Path, applied: AppliedModel) -> Json:
    """Write the labels of an image; return what they tell.

    Raises:
        InputError: there are labels that were changed since this command wrote them.
    """
    classes, size = applied.predictor.classes, made.labels.shape
    structure = Microstructure(len(classes))
    structure.add(made.labels, np.ones(size, np.bool_), made.edge or 1.0)
    claim(target, found.paths[0])
    write_image(target, made.labels)
    applied.advance(made.labels.size)
    described = {name: structure.describe(index) for index, name in enumerate(classes)}
    return list_facts(found, list(size), made.edge, made.unlike) | {"classes": described}
