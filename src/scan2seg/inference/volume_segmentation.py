"""One volume file: its slices in, its labels and what they tell out."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scan2seg.continuation import Unfinished, continuing
from scan2seg.documents import Json
from scan2seg.inference.applied_model import AppliedModel, compare, list_facts
from scan2seg.inference.blocks import block_length
from scan2seg.inference.label_files import write_volume_beside
from scan2seg.inference.label_grid import restore_plane
from scan2seg.inference.labelling import describe_labels, label_volume, read_pixels, walk_volume
from scan2seg.inference.likeness import SAMPLE_SLICES
from scan2seg.inference.segmentation_inputs import Input
from scan2seg.inference.segmentation_outputs import claim, refuse_changed
from scan2seg.places import evenly
from scan2seg.readers.volumes import Volume
from scan2seg.sources import Item
from scan2seg.sources.resampling import choose_spacing, find_ratios
from scan2seg.spacing import Spacing
from scan2seg.storage import create_volume, shards


def segment_volume(found: Input, items: list[Item], target: Path, applied: AppliedModel) -> Json:
    """Write the labels of a volume, shard by shard; return what they tell.

    What a killed call has finished is kept, and the next one goes on behind it, but where slices were cut or resampled.

    Raises:
        InputError: the volume cannot be read, or there are labels that were changed since this command wrote them.
    """
    predictor, classes = applied.predictor, applied.predictor.classes
    volume = found.open_volume(applied.reading, applied.options.key)
    chosen = evenly(len(items), SAMPLE_SLICES)
    spacing, edge, stretch = _measure_voxels(volume, applied.options.pixel_size)
    seen = items[0].pixel_size and items[0].pixel_size * stretch
    unlike = compare(found, [read_pixels(items[place], predictor) for place in chosen], seen or edge, applied)
    refuse_changed(target, found.paths[0])
    length = block_length(volume.shape[1:], "uint8", volume.shape[0], predictor.tile[0])
    form: dict[str, Any] = {"pixel_size": edge, "spacing": spacing, "per_shard": length, "name": "label"}
    content = [applied.settings, applied.checkpoints, predictor.device]
    with continuing(target, content, found.list_parts()) as unfinished:
        group = unfinished.group
        labels = unfinished.array("label", lambda: create_volume(group, volume.shape, "uint8", **form))
        _label(items, labels, volume, applied, unfinished)
        described = describe_labels(group, classes, spacing)
        group.attrs["classes"] = classes
        claim(target, found.paths[0])
    write_volume_beside(target, found.paths[0])
    return list_facts(found, list(volume.shape), edge, unlike) | {"spacing": spacing, "classes": described}


def _label(items: list[Item], labels: Any, volume: Volume, applied: AppliedModel, unfinished: Unfinished) -> None:
    """Write the labels of a volume on the grid of its file, also where its slices were cut or resampled otherwise."""
    predictor, reading = applied.predictor, applied.reading

    def read(index: int) -> NDArray[np.float32]:
        return read_pixels(items[index], predictor)

    if reading.axis == 0 and reading.spacing is None:
        label_volume(read, len(items), labels, predictor, applied.advance, unfinished)
        return
    # on another grid, as large in memory as the labels
    cut = np.stack(list(walk_volume(read, len(items), predictor, applied.advance)))
    turned = np.moveaxis(cut, 0, reading.axis)
    own = volume.spacing or (1.0, 1.0, 1.0)
    ratios = find_ratios(choose_spacing(own, reading.spacing), own)
    for shard in shards(labels):
        planes = [restore_plane(turned, index, labels.shape, ratios) for index in range(shard.start, shard.stop)]
        labels[shard] = np.stack(planes)


def _measure_voxels(volume: Volume, pixel_size: float | None) -> tuple[Spacing | None, float | None, float]:
    """Return the spacing of the voxels, the edge of a pixel, and what a given pixel size stretches the file's by.

    As in a stack, a given size takes the place of what the file says and stretches all three distances alike.
    """
    said = volume.pixel_size()
    if pixel_size is None:
        return volume.spacing, said, 1.0
    if volume.spacing is None or said is None:
        return (pixel_size, pixel_size, pixel_size), pixel_size, 1.0
    z, y, x = (length * pixel_size / said for length in volume.spacing)
    return (z, y, x), pixel_size, pixel_size / said
