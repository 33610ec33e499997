"""The labels of images and volumes: slices in, classes out, whatever they are read from and written to."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from scan2seg.continuation import Unfinished
from scan2seg.documents import Json
from scan2seg.evaluation.volume_particles import VolumeParticles
from scan2seg.inference.blocks import ShardWriter, SlicesAhead, Values, cut_shards
from scan2seg.inference.tiling import Predictor
from scan2seg.logging import progress
from scan2seg.pyramid import Pyramid
from scan2seg.slices import ReadSlice, read_slab
from scan2seg.sources import Item, read_item
from scan2seg.spacing import Spacing
from scan2seg.storage import shards
from scan2seg.streaming import stream


def label_image(image: NDArray[np.float32], predictor: Predictor) -> NDArray[np.uint8]:
    """Return the classes (*spatial) of an image (c, y, x) or volume (c, z, y, x) that is in memory."""
    slices = range(1 if image.ndim == 3 else image.shape[1])
    volume = image.reshape(image.shape[0], len(slices), *image.shape[-2:])
    predictor.forget_volumes()
    walk = predictor.walk_labels(lambda wanted: volume[:, wanted.start : wanted.stop], slices, slices)
    return np.stack(list(walk)).reshape(image.shape[1:])


def walk_volume(
    read: ReadSlice, count: int, predictor: Predictor, advance: Callable[[int], None], wanted: range | None = None
) -> Iterator[NDArray[np.uint8]]:
    """Yield the classes (y, x) of slices of a volume, in order; all of them where none are named.

    Args:
        read: reads a slice.
        count: slices of the volume.
        predictor: the model; what it knew of another volume has to be forgotten.
        advance: told of the voxels of every slice that is done.
        wanted: the slices.
    """
    reader = partial(read_slab, read, neighbours=predictor.neighbours, within=range(count))
    for labels in predictor.walk_labels(reader, wanted or range(count), range(count)):
        advance(labels.size)
        yield labels


def label_volume(
    read: ReadSlice,
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
        advance: told of the voxels of what is finished already, and of every slice that is done; without it there is
            a progress bar.
        unfinished: the store of the target, where it may be continued.
    """
    notes, gaps = unfinished.collect([target]) if unfinished is not None else ([], [slice(0, count)])
    for note in notes:
        predictor.recall(note["decisions"])
    labelling = Labelling(read, count, predictor, advance or (lambda _: None))
    if advance is not None:
        advance(target.shape[1] * target.shape[2] * (count - sum(gap.stop - gap.start for gap in gaps)))

    def finish(shard: slice, found: Values) -> Json:
        note = labelling.describe(found)
        if unfinished is not None:
            unfinished.finish(shard, note)
        return note

    writer = ShardWriter([target], finish)
    item_bytes = target.shape[1] * target.shape[2] * image_channels(predictor) * 4
    parts = cut_shards(target, gaps, item_bytes, predictor.tile[0])
    stream(parts, labelling.read, labelling.compute, writer.add, [target], None if advance else "segmenting")
    return count_voxels([*notes, *writer.notes])


class Labelling:
    """How parts of one volume are segmented."""

    def __init__(
        self, read: ReadSlice, count: int, predictor: Predictor, advance: Callable[[int], None] = lambda _: None
    ) -> None:
        """Forget what the model knew of another volume.

        Args:
            read: reads a slice.
            count: slices of the volume.
            predictor: the model.
            advance: told of the voxels of every slice that is done.
        """
        self._read, self._count, self._predictor, self._advance = read, count, predictor, advance
        predictor.forget_volumes()

    def read(self, part: slice) -> ReadSlice:
        """Read what the classes of a part are computed from."""
        return SlicesAhead(self._read, self._predictor.find_seen(_places(part), range(self._count)))

    def compute(self, part: slice, read: ReadSlice) -> Values:
        """Return the classes (z, y, x) of a part, as all that is written of it."""
        return [np.stack(list(walk_volume(read, self._count, self._predictor, self._advance, _places(part))))]

    def describe(self, found: Values) -> Json:
        """Return ``counts`` of each class in what was computed of a shard, and ``decisions``."""
        voxels = np.bincount(found[0].ravel(), minlength=len(self._predictor.classes))
        return {"counts": voxels.tolist(), "decisions": self._predictor.decisions()}

    def label(self, target: Any, shard: slice) -> Json:
        """Read, compute and write a shard of the target; return what ``describe`` does."""
        found = self.compute(shard, self.read(shard))
        target[shard] = found[0]
        return self.describe(found)


def _places(part: slice) -> range:
    return range(part.start, part.stop)


def count_voxels(blocks: Sequence[Json]) -> NDArray[np.int64]:
    """Return the voxels of each class from what the blocks of a volume returned."""
    counts: NDArray[np.int64] = np.sum([block["counts"] for block in blocks], axis=0, dtype=np.int64)
    return counts


def describe_labels(
    group: zarr.Group, classes: Sequence[str], spacing: Spacing | None, progress_label: str | None = None
) -> dict[str, Json]:
    """Return what the finished ``label`` (z, y, x) of a store tell of each class, and add their coarser levels.

    Args:
        group: the store.
        classes: the names of the classes.
        spacing: of the voxels along (z, y, x), in the unit of all sizes; None for voxels.
        progress_label: what a progress bar says; None for none.
    """
    labels: Any = group["label"]
    particles, pyramid = VolumeParticles(len(classes), spacing or (1.0, 1.0, 1.0)), Pyramid(group, "label")
    walk = shards(labels)
    for shard in progress(walk, progress_label) if progress_label else walk:
        planes: NDArray[np.uint8] = np.asarray(labels[shard])
        pyramid.add(planes)
        for plane in planes:
            particles.add(plane)
    return {name: particles.describe(index) for index, name in enumerate(classes)}


def read_pixels(item: Item, predictor: Predictor) -> NDArray[np.float32]:
    """Read an image or slice as the model takes it; a grey image stands for a coloured one, as in a stack.

    Raises:
        InputError: it has other channels than the training images, or values that are not finite.
    """
    kind = predictor.description.get("reading", {}).get("kind", "images")
    return read_item(item, image_channels(predictor), kind, "the model was trained on")


def image_channels(predictor: Predictor) -> int:
    """Return the channels of one image or slice that the model takes."""
    return predictor.model.channels // (2 * predictor.neighbours + 1)
