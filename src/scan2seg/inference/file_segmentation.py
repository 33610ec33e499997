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
from scan2seg.inference.labelling import image_channels, label_image, label_volume, read_pixels
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
from scan2seg.provenance import fingerprint, record
from scan2seg.pyramid import add_levels
from scan2seg.readers.volumes import Volume
from scan2seg.sources import Item
from scan2seg.sources.resampling import choose_spacing, find_ratios
from scan2seg.storage import create_volume, creating

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
    """Edge of a pixel of the images in micrometres, where their files do not say it."""
    threads: int = 1
    """Processor cores."""


@dataclass(frozen=True)
class Application:
    """A model, how it is applied, and where its labels go."""

    predictor: Predictor
    reading: Reading
    output: Path
    identity: Json
    """What the labels depend on beside the input: with the same, a finished one is not made again."""
    advance: Callable[[int], None]
    """Told of the pixels that are done."""
    options: FileOptions


def segment_inputs(members: Sequence[Member], paths: Sequence[Path], output: Path, options: FileOptions) -> list[str]:
    """Segment images and volumes; return what went wrong with some of them, a sentence each, while others are done.

    Beside each label file stands a JSON file with its name: shares of the classes, particles, sizes, what makes the
    input unlike the training images, and the provenance. ``summary.csv`` has a row an input and class, of everything in
    the folder. An input whose labels are there, made by the same model in the same way from the same file, is passed
    over. Nothing is replaced that this command did not write.

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
    identity = record(settings, [member.checkpoint for member in members])
    problems = []
    total = sum(each.count_pixels(reading, options.key) for each in inputs)
    with counting_pixels("segmenting", total) as advance:
        application = Application(predictor, reading, output, identity, advance, options)
        for each in inputs:
            try:
                _segment(each, application)
            except InputError as error:
                said, path = str(error), str(each.paths[0])
                problems.append(said if path in said else f"{path}: {said}")
            except OSError as error:
                problems.append(f"{each.paths[0]}: {error.filename or output}: {error.strerror}")
    if output.is_dir():
        write_table(output)
    return problems


def _find_reading(predictor: Predictor, checkpoint: Path) -> Reading:
    content = predictor.description.get("reading")
    if content is None:
        raise InputError(f"{checkpoint}: does not say how its images were read; train the model anew")
    return Reading.model_validate(content)


def _segment(found: Input, application: Application) -> None:
    """Segment one input, unless that is done."""
    labels = application.output / output_name(found)
    identity = {"input": [str(path.resolve()) for path in found.paths], "stamps": _stamps(found)}
    mark = fingerprint({**identity, **{name: application.identity[name] for name in ("settings", "inputs")}})
    if is_done(labels, found.paths[0], mark):
        application.advance(found.count_pixels(application.reading, application.options.key))
        return
    items = found.read_items(application.reading, application.options.key)
    _check_input(found, items[0], application)
    facts = (_segment_volume if found.is_volume else _segment_image)(found, items, labels, application)
    provenance = record(application.identity["settings"], [*found.paths]) | {"model": application.identity["inputs"]}
    describe(labels, found.paths[0], mark, {**facts, "provenance": provenance})


def _stamps(found: Input) -> list[list[int]]:
    """Return size and time of the files of an input."""
    files = [file for path in found.paths for file in ([path] if path.is_file() else sorted(path.rglob("*")))]
    return [[file.stat().st_size, file.stat().st_mtime_ns] for file in files]


def _check_input(found: Input, item: Item, application: Application) -> None:
    """Refuse an image where the model sees volumes, and a volume of other channels than the model was trained on.

    A grey image stands for a coloured one, but one sequence of a patient for no other.
    """
    predictor, path = application.predictor, found.paths[0]
    if not found.is_volume and (predictor.model.dimensions == 3 or predictor.neighbours):
        raise InputError(f"{path}: is a single image; the model sees neighbouring slices too: give the volume")
    wanted = image_channels(predictor)
    if found.is_volume and item.channels is not None and item.channels != wanted:
        files = ", ".join(path.name for path in found.paths)
        raise InputError(f"{path}: has {item.channels} channels ({files}), the model was trained on {wanted}")


def _segment_image(found: Input, items: list[Item], target: Path, application: Application) -> Json:
    predictor, classes = application.predictor, application.predictor.classes
    (item,) = items
    size = found.read_size()
    pixels = read_pixels(item, predictor)
    edge = item.pixel_size or application.options.pixel_size
    unlike = _compare(found, [pixels], edge and edge * item.pixel_scale, application)
    labels = restore_image(label_image(pixels, predictor), size)
    structure = Microstructure(len(classes))
    structure.add(labels, np.ones(size, np.bool_), edge or 1.0)
    claim(target, found.paths[0])
    write_image(target, labels)
    application.advance(labels.size)
    described = {name: structure.describe(index) for index, name in enumerate(classes)}
    return _facts(found, list(size), edge, unlike) | {"classes": described}


def _segment_volume(found: Input, items: list[Item], target: Path, application: Application) -> Json:
    predictor, classes = application.predictor, application.predictor.classes
    volume = found.open_volume(application.reading, application.options.key)
    chosen = np.unique(np.linspace(0, len(items) - 1, _SAMPLE_SLICES).round().astype(int)).tolist()
    spacing = volume.spacing
    if spacing is None and application.options.pixel_size:
        spacing = (application.options.pixel_size,) * 3
    edge = volume.pixel_size() or application.options.pixel_size
    seen = items[0].pixel_size or application.options.pixel_size
    unlike = _compare(found, [read_pixels(items[place], predictor) for place in chosen], seen, application)
    particles = VolumeParticles(len(classes), spacing or (1.0, 1.0, 1.0))
    claim(target, found.paths[0])
    with creating(target) as group:
        length = block_length(volume.shape[1:], "uint8", volume.shape[0], predictor.tile[0])
        labels = create_volume(
            group, volume.shape, "uint8", pixel_size=edge, spacing=spacing, per_shard=length, name="label"
        )
        _label(items, labels, volume, application)
        for index in range(volume.shape[0]):
            particles.add(np.asarray(labels[index]))
        add_levels(group, "label")
        group.attrs["classes"] = classes
    write_volume_beside(target, found.paths[0])
    described = {name: particles.describe(index) for index, name in enumerate(classes)}
    return _facts(found, list(volume.shape), edge, unlike) | {"spacing": spacing, "classes": described}


def _label(items: list[Item], labels: Any, volume: Volume, application: Application) -> None:
    """Write the labels of a volume on the grid of its file, also where its slices were cut or resampled otherwise."""
    predictor, reading = application.predictor, application.reading

    def read(index: int) -> NDArray[np.float32]:
        return read_pixels(items[index], predictor)

    if reading.axis == 0 and reading.spacing is None:
        label_volume(read, len(items), labels, predictor, application.advance)
        return
    # on another grid, as large in memory as the labels
    cut = np.empty((len(items), *items[0].size), np.uint8)
    label_volume(read, len(items), _Memory(cut), predictor, application.advance)
    turned = np.moveaxis(cut, 0, reading.axis)
    own = volume.spacing or (1.0, 1.0, 1.0)
    ratios = find_ratios(choose_spacing(own, reading.spacing), own)
    for index in range(labels.shape[0]):
        labels[index] = restore_plane(turned, index, labels.shape, ratios)


class _Memory:
    """Lets an array in memory stand for a Zarr array of one shard."""

    def __init__(self, array: NDArray[np.uint8]) -> None:
        self.array, self.shape, self.chunks, self.shards = array, array.shape, array.shape, None

    def __setitem__(self, place: slice, values: NDArray[np.uint8]) -> None:
        self.array[place] = values


def _compare(
    found: Input, images: list[NDArray[np.float32]], edge: float | None, application: Application
) -> list[str]:
    """Return and warn of what makes an input unlike the training images; the edge is that of a pixel as it is read."""
    model, description = application.predictor.model, application.predictor.description
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
