"""The labels of images and volumes: slices in, classes out, whatever they are read from and written to."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scan2seg.continuation import Unfinished
from scan2seg.documents import Json
from scan2seg.inference.blocks import run_blocks
from scan2seg.inference.tiling import Predictor
from scan2seg.slices import mirror_places
from scan2seg.sources import Item, read_item

Slice = Callable[[int], NDArray[np.float32]]
"""Reads one slice of a volume as (c, y, x)."""


def label_image(image: NDArray[np.float32], predictor: Predictor) -> NDArray[np.uint8]:
    """Return the classes (*spatial) of an image (c, y, x) or volume (c, z, y, x) that is in memory."""
    slices = range(1 if image.ndim == 3 else image.shape[1])
    volume = image.reshape(image.shape[0], len(slices), *image.shape[-2:])
    predictor.forget_volumes()
    walk = predictor.walk_labels(lambda wanted: volume[:, wanted.start : wanted.stop], slices, slices)
    return np.stack(list(walk)).reshape(image.shape[1:])


def walk_volume(
    read: Slice, count: int, predictor: Predictor, advance: Callable[[int], None], wanted: range | None = None
) -> Iterator[NDArray[np.uint8]]:
    """Yield the classes (y, x) of slices of a volume, in order; all of them where none are named.

    Args:
        read: reads a slice.
        count: slices of the volume.
        predictor: the model; what it knew of another volume has to be forgotten.
        advance: told of the voxels of every slice that is done.
        wanted: the slices.
    """

    def read_slab(slices: range) -> NDArray[np.float32]:
        n = predictor.neighbours
        places = {index: mirror_places(range(index - n, index + n + 1), range(count)) for index in slices}
        planes = {place: read(place) for chosen in places.values() for place in chosen}
        return np.stack([np.concatenate([planes[place] for place in places[index]]) for index in slices], axis=1)

    for labels in predictor.walk_labels(read_slab, wanted or range(count), range(count)):
        advance(labels.size)
        yield labels


def label_volume(
    read: Slice,
    count: int,
    target: Any,
    predictor: Predictor,
    advance: Callable[[int], None] | None = None,
    unfinished: Unfinished | None = None,
) -> NDArray[np.int64]:
    """Write the classes of a volume, shard by shard, and return the voxels of each class.

    Args:
        read: reads a slice.
        count: slices of the volume.
        target: Zarr array (z, y, x) uint8.
        predictor: the model; what it knew of another volume is forgotten.
        advance: told of the voxels of every slice that is done; without it there is a progress bar of shards.
        unfinished: the store of the target, where it may be continued.
    """
    for note in unfinished.notes if unfinished is not None else []:
        predictor.recall(note["decisions"])
    label_block, alone = make_labeller(read, count, target, predictor, advance), predictor.undecided
    bar = None if advance else "segmenting"
    return count_voxels(run_blocks(label_block, [target], bar, unfinished=unfinished, first_alone=alone))


def make_labeller(
    read: Slice, count: int, target: Any, predictor: Predictor, advance: Callable[[int], None] | None = None
) -> Callable[[slice], Json]:
    """Return what writes the classes of a block of slices, and returns ``counts`` of each and ``decisions``.

    Args:
        read: reads a slice.
        count: slices of the volume.
        target: Zarr array (z, y, x) uint8.
        predictor: the model; what it knew of another volume is forgotten.
        advance: told of the voxels of every slice that is done.
    """
    predictor.forget_volumes()

    def label_block(block: slice) -> Json:
        walk = walk_volume(read, count, predictor, advance or (lambda _: None), range(block.start, block.stop))
        found = np.stack(list(walk))
        target[block] = found
        voxels = np.bincount(found.ravel(), minlength=len(predictor.classes))
        return {"counts": voxels.tolist(), "decisions": predictor.decisions()}

    return label_block


def count_voxels(blocks: Sequence[Json]) -> NDArray[np.int64]:
    """Return the voxels of each class from what the blocks of a volume returned."""
    counts: NDArray[np.int64] = np.sum([block["counts"] for block in blocks], axis=0, dtype=np.int64)
    return counts


def read_pixels(item: Item, predictor: Predictor) -> NDArray[np.float32]:
    """Read an image or slice as the model takes it; a grey image stands for a coloured one, as in a stack.

    Raises:
        InputError: it has other channels than the training images, or values that are not finite.
    """
    return read_item(item, image_channels(predictor), "the model was trained on")


def image_channels(predictor: Predictor) -> int:
    """Return the channels of one image or slice that the model takes."""
    return predictor.model.channels // (2 * predictor.neighbours + 1)
