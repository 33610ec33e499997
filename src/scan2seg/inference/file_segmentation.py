"""A trained model put to work without a workflow: images and volumes in, labels and what they tell out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scan2seg.appearance import MEASURES, compare_appearance, compare_pixel_size, cut_windows, warn_of_unlike
from scan2seg.config.image_reading import Reading
from scan2seg.device import set_threads
from scan2seg.documents import Json
from scan2seg.errors import InputError
from scan2seg.evaluation.microstructure import Microstructure
from scan2seg.evaluation.volume_particles import VolumeParticles
from scan2seg.inference.blocks import block_length
from scan2seg.inference.label_files import write_image, write_volume_beside
from scan2seg.inference.label_grid import restore_image, restore_plane
from scan2seg.inference.labelling import image_channels, label_image, label_volume, read_pixels, walk_volume
from scan2seg.inference.members import Member, describe_inference, load_predictor
from scan2seg.inference.segmentation_inputs import Input, find_inputs
from scan2seg.inference.segmentation_outputs import (
    check_outputs,
    claim,
    describe,
    is_done,
    output_name,
    write_table,
)
from scan2seg.inference.tiling import Predictor
from scan2seg.logging import counting_pixels
from scan2seg.network_features import compare_features
from scan2seg.places import evenly
from scan2seg.provenance import code_stamp, describe_inputs, fingerprint, record, stamp, versions
from scan2seg.pyramid import Pyramid
from scan2seg.readers.volumes import Volume
from scan2seg.sources import Item
from scan2seg.sources.resampling import choose_spacing, find_ratios
from scan2seg.spacing import Spacing
from scan2seg.storage import create_volume, creating, shards

_SAMPLE_SLICES = 5
"""Of a volume, whose looks are compared with those of the training images."""


@dataclass(frozen=True)
class FileOptions:
    """How files are read and where the model computes."""

    device: str = "auto"
    """auto, cpu or cuda."""
    key: str | None = None
    """Of the array in HDF5 and Zarr files; needed only where there are several."""
    pixel_size: float | None = None
    """Edge of a pixel of the images in micrometres, in place of what their files say."""
    threads: int = 1
    """Processor cores."""


@dataclass(frozen=True)
class AppliedModel:
    """A model, how it is applied, and where its labels go."""

    predictor: Predictor
    reading: Reading
    output: Path
    settings: Json
    """How it is applied and files are read."""
    checkpoints: list[Json]
    """Its files, with a hash of each."""
    advance: Callable[[int], None]
    """Told of the pixels that are done."""
    options: FileOptions


def segment_inputs(members: Sequence[Member], paths: Sequence[Path], output: Path, options: FileOptions) -> list[str]:
    """Segment images and volumes; return what went wrong with some of them, a sentence each, while others are done.

    Beside each label file stands a JSON file with its name: shares of the classes, particles, sizes, what makes the
    input unlike the training images, and the provenance. ``summary.csv`` has a row an input and class, of everything in
    the folder. An input whose labels are there, made by the same model, code and libraries in the same way from the
    same file, is passed over. Nothing is replaced that this command did not write.

    Args:
        members: the trained model, or those of an ensemble, and how each is applied.
        paths: images, volumes, and folders of them; see ``segmentation_inputs.find_inputs``.
        output: the folder to write to.
        options: how files are read and where the model computes.

    Raises:
        InputError: a path is not there or holds nothing, an output would replace what is not its own, or the
            checkpoint is unreadable.
    """

    def find(predictor: Predictor) -> list[Input]:
        deep = predictor.model.dimensions == 3 or predictor.neighbours > 0
        return find_inputs(paths, output=output, volumes=deep, channels=image_channels(predictor))

    return segment_found(members, find, output, options)


def segment_found(
    members: Sequence[Member], find: Callable[[Predictor], list[Input]], output: Path, options: FileOptions
) -> list[str]:
    """Segment what is found for a model, as ``segment_inputs`` does."""
    set_threads(options.threads)
    predictor = load_predictor(members, options.device)
    reading = _find_reading(predictor, members[0].checkpoint)
    inputs = find(predictor)
    check_outputs(inputs, output)
    settings = {"inference": describe_inference(members), "key": options.key, "pixel_size": options.pixel_size}
    checkpoints = describe_inputs([member.checkpoint for member in members])
    problems = []
    total = sum(each.count_pixels(reading, options.key) for each in inputs)
    with counting_pixels("segmenting", total) as advance:
        applied = AppliedModel(predictor, reading, output, settings, checkpoints, advance, options)
        for each in inputs:
            try:
                _segment(each, applied)
            except InputError as error:
                said, path = str(error), str(each.paths[0])
                problems.append(said if path in said else f"{path}: {said}")
            except OSError as error:
                problems.append(f"{each.paths[0]}: {error.filename or output}: {error.strerror}")
    if output.is_dir():
        write_table(output)
    return problems


def refuse_unfinished(problems: Sequence[str]) -> None:
    """Raise what ``segment_inputs`` returned as one error, if there is anything.

    Raises:
        InputError: some inputs could not be segmented.
    """
    if problems:
        raise InputError("\n".join([*problems, f"{len(problems)} of the inputs could not be segmented, see above"]))


def _find_reading(predictor: Predictor, checkpoint: Path) -> Reading:
    content = predictor.description.get("reading")
    if content is None:
        raise InputError(f"{checkpoint}: does not say how its images were read; train the model anew")
    return Reading.model_validate(content)


def _segment(found: Input, applied: AppliedModel) -> None:
    """Segment one input, unless that is done."""
    labels = applied.output / output_name(found)
    mark = _identify(found, applied)
    if is_done(labels, found.paths[0], mark):
        applied.advance(found.count_pixels(applied.reading, applied.options.key))
        return
    items = found.read_items(applied.reading, applied.options.key)
    _check_input(found, items[0], applied)
    facts = (_segment_volume if found.is_volume else _segment_image)(found, items, labels, applied)
    provenance = record(applied.settings, [*found.paths]) | {"model": applied.checkpoints}
    describe(labels, found.paths[0], mark, {**facts, "provenance": provenance})


def _identify(found: Input, applied: AppliedModel) -> str:
    """Return a hash of all that decides the labels of an input: files, settings, model, code and libraries."""
    stamps = [stamp(path.resolve()) for path in found.list_parts()]
    return fingerprint([stamps, applied.settings, applied.checkpoints, code_stamp(), versions()])


def _check_input(found: Input, item: Item, applied: AppliedModel) -> None:
    """Refuse an image where the model sees volumes, and a volume of other channels than the model was trained on.

    A grey image stands for a coloured one, but one sequence of a patient for no other.
    """
    predictor, path = applied.predictor, found.paths[0]
    if not found.is_volume and (predictor.model.dimensions == 3 or predictor.neighbours):
        raise InputError(f"{path}: is a single image; the model sees neighbouring slices too: give the volume")
    wanted = image_channels(predictor)
    if found.is_volume and item.channels is not None and item.channels != wanted:
        files = ", ".join(path.name for path in found.paths)
        raise InputError(f"{path}: has {item.channels} channels ({files}), the model was trained on {wanted}")


def _segment_image(found: Input, items: list[Item], target: Path, applied: AppliedModel) -> Json:
    predictor, classes = applied.predictor, applied.predictor.classes
    (item,) = items
    size = found.read_size()
    pixels = read_pixels(item, predictor)
    edge = applied.options.pixel_size or item.pixel_size
    unlike = _compare(found, [pixels], edge and edge * item.pixel_scale, applied)
    labels = restore_image(label_image(pixels, predictor), size)
    structure = Microstructure(len(classes))
    structure.add(labels, np.ones(size, np.bool_), edge or 1.0)
    claim(target, found.paths[0])
    write_image(target, labels)
    applied.advance(labels.size)
    described = {name: structure.describe(index) for index, name in enumerate(classes)}
    return _facts(found, list(size), edge, unlike) | {"classes": described}


def _segment_volume(found: Input, items: list[Item], target: Path, applied: AppliedModel) -> Json:
    predictor, classes = applied.predictor, applied.predictor.classes
    volume = found.open_volume(applied.reading, applied.options.key)
    chosen = evenly(len(items), _SAMPLE_SLICES)
    spacing, edge, stretch = _measure_voxels(volume, applied.options.pixel_size)
    seen = items[0].pixel_size and items[0].pixel_size * stretch
    unlike = _compare(found, [read_pixels(items[place], predictor) for place in chosen], seen or edge, applied)
    particles = VolumeParticles(len(classes), spacing or (1.0, 1.0, 1.0))
    claim(target, found.paths[0])
    with creating(target) as group:
        length = block_length(volume.shape[1:], "uint8", volume.shape[0], predictor.tile[0])
        labels = create_volume(
            group, volume.shape, "uint8", pixel_size=edge, spacing=spacing, per_shard=length, name="label"
        )
        _label(items, labels, volume, applied)
        pyramid = Pyramid(group, "label")
        for shard in shards(labels):
            planes: NDArray[np.uint8] = np.asarray(labels[shard])
            pyramid.add(planes)
            for plane in planes:
                particles.add(plane)
        group.attrs["classes"] = classes
    write_volume_beside(target, found.paths[0])
    described = {name: particles.describe(index) for index, name in enumerate(classes)}
    return _facts(found, list(volume.shape), edge, unlike) | {"spacing": spacing, "classes": described}


def _label(items: list[Item], labels: Any, volume: Volume, applied: AppliedModel) -> None:
    """Write the labels of a volume on the grid of its file, also where its slices were cut or resampled otherwise."""
    predictor, reading = applied.predictor, applied.reading

    def read(index: int) -> NDArray[np.float32]:
        return read_pixels(items[index], predictor)

    if reading.axis == 0 and reading.spacing is None:
        label_volume(read, len(items), labels, predictor, applied.advance)
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


def _compare(found: Input, images: list[NDArray[np.float32]], edge: float | None, applied: AppliedModel) -> list[str]:
    """Return and warn of what makes an input unlike the training images; the edge is that of a pixel as it is read."""
    model, description = applied.predictor.model, applied.predictor.description
    # level, spread and noise are taken off, or divided by, before such a model sees them
    judged = ("scale",) if model.normalisation.per_image else MEASURES
    unlike = compare_pixel_size(edge, description.get("pixel_size"))
    size = description["patch_size"][-2:]
    unlike += compare_appearance(images, description["appearance"], size, judged)
    windows = (window for image in images for window in cut_windows(image, size))
    unlike += compare_features(model, windows, description.get("features"))
    warn_of_unlike(str(found.paths[0]), unlike)
    return unlike


def _facts(found: Input, shape: list[int], edge: float | None, unlike: list[str]) -> Json:
    unit = "micrometre" if edge else "pixel"
    return {"input": str(found.paths[0]), "shape": shape, "pixel_size": edge, "unit": unit, "unlike_training": unlike}
