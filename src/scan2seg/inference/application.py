"""A trained model put to work without a workflow: images and volumes in, labels and what they tell out."""

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scan2seg.appearance import compare_appearance
from scan2seg.config.reading import Reading
from scan2seg.config.training import InferenceSettings
from scan2seg.device import set_threads
from scan2seg.documents import Json
from scan2seg.errors import InputError
from scan2seg.evaluation.microstructure import Microstructure
from scan2seg.evaluation.volume_particles import VolumeParticles
from scan2seg.inference.blocks import block_length
from scan2seg.inference.inputs import Input, find_inputs, output_name
from scan2seg.inference.label_files import write_image, write_volume_beside
from scan2seg.inference.labelling import image_channels, label_image, label_volume, read_pixels
from scan2seg.inference.restoring import restore_image, restore_plane
from scan2seg.inference.tiling import Predictor
from scan2seg.logging import counting_pixels, warn
from scan2seg.provenance import fingerprint, record
from scan2seg.sources import Item
from scan2seg.storage import create_volume, creating, read_json, write_json

_SIZE_TOLERANCE = 0.05
_SAMPLE_SLICES = 5
"""Of a volume, whose looks are compared with those of the training images."""


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
    key: str | None = None
    """The array to read of HDF5 and Zarr files."""


def segment_inputs(
    checkpoint: Path,
    paths: Sequence[Path],
    output: Path,
    inference: InferenceSettings,
    *,
    device: str = "auto",
    key: str | None = None,
    threads: int = 1,
) -> list[str]:
    """Segment images and volumes; return what went wrong with some of them, a sentence each, while others are done.

    Beside each label file stands a JSON file with its name: shares of the classes, particles, sizes, what makes the
    input unlike the training images, and the provenance. ``summary.csv`` has a row an input and class. An input whose
    labels are there, made by the same model in the same way from the same file, is passed over.

    Args:
        checkpoint: the trained model.
        paths: images, volumes, and folders of them; see ``inputs.find_inputs``.
        output: the folder to write to.
        inference: how the model is applied.
        device: auto, cpu or cuda.
        key: of the array in HDF5 and Zarr files; needed only where there are several.
        threads: processor cores.

    Raises:
        InputError: a path is not there or holds nothing, an output would replace an input, or the checkpoint is
            unreadable.
    """
    set_threads(threads)
    predictor = Predictor(checkpoint, inference, device)
    reading = _find_reading(predictor, checkpoint)
    deep = predictor.model.dimensions == 3 or predictor.neighbours > 0
    inputs = find_inputs(paths, volumes=deep, channels=image_channels(predictor))
    _check_output(inputs, output)
    identity = record({"inference": inference.model_dump(mode="json"), "key": key}, [checkpoint])
    problems = []
    total = sum(each.count_pixels(reading, key) for each in inputs)
    with counting_pixels("segmenting", total) as advance:
        application = Application(predictor, reading, output, identity, advance, key)
        for each in inputs:
            try:
                _segment(each, application)
            except InputError as error:
                problems.append(str(error))
    _write_table(output, inputs)
    return problems


def _find_reading(predictor: Predictor, checkpoint: Path) -> Reading:
    content = predictor.description.get("reading")
    if content is None:
        raise InputError(f"{checkpoint}: does not say how its images were read; train the model anew")
    return Reading.model_validate(content)


def _check_output(inputs: Sequence[Input], output: Path) -> None:
    given = {path.resolve() for each in inputs for path in each.paths}
    for each in inputs:
        if (target := output / output_name(each)).resolve() in given:
            raise InputError(f"{target}: is an input; give another folder for the labels")


def _segment(found: Input, application: Application) -> None:
    """Segment one input, unless that is done."""
    target = application.output / output_name(found)
    described = target.with_name(target.name + ".json")
    identity = {"input": [str(path.resolve()) for path in found.paths], "stamps": _stamps(found)}
    mark = fingerprint({**identity, **{name: application.identity[name] for name in ("settings", "inputs")}})
    if target.exists() and described.is_file() and read_json(described).get("identity") == mark:
        application.advance(found.count_pixels(application.reading, application.key))
        return
    facts = (_segment_volume if found.is_volume else _segment_image)(found, target, application)
    provenance = record(application.identity["settings"], [*found.paths]) | {"model": application.identity["inputs"]}
    write_json(described, {"identity": mark, **facts, "provenance": provenance})


def _stamps(found: Input) -> list[list[int]]:
    """Return size and time of the files of an input."""
    files = [file for path in found.paths for file in ([path] if path.is_file() else sorted(path.rglob("*")))]
    return [[file.stat().st_size, file.stat().st_mtime_ns] for file in files]


def _segment_image(found: Input, target: Path, application: Application) -> Json:
    predictor, classes = application.predictor, application.predictor.classes
    (item,) = found.read_items(application.reading)
    size = found.read_size()
    pixels = read_pixels(item, predictor)
    edge = item.pixel_size
    unlike = _compare(found, [pixels], edge, application)
    labels = restore_image(label_image(pixels, predictor), size)
    structure = Microstructure(len(classes))
    structure.add(labels, np.ones(size, np.bool_), edge or 1.0)
    write_image(target, labels)
    application.advance(labels.size)
    described = {name: structure.describe(index) for index, name in enumerate(classes)}
    return _facts(found, list(size), edge, unlike) | {"classes": described}


def _segment_volume(found: Input, target: Path, application: Application) -> Json:
    predictor, classes = application.predictor, application.predictor.classes
    items = found.read_items(application.reading, application.key)
    volume = found.open_volume(application.reading, application.key)
    chosen = np.unique(np.linspace(0, len(items) - 1, _SAMPLE_SLICES).round().astype(int)).tolist()
    edge = volume.pixel_size()
    unlike = _compare(found, [read_pixels(items[place], predictor) for place in chosen], edge, application)
    particles = VolumeParticles(len(classes))
    with creating(target) as group:
        length = block_length(volume.shape[1:], "uint8", volume.shape[0], predictor.tile[0])
        labels = create_volume(group, volume.shape, "uint8", pixel_size=edge, per_shard=length, name="label")
        _label(items, labels, application)
        counts = np.zeros(len(classes), np.int64)
        for index in range(volume.shape[0]):
            plane: NDArray[Any] = np.asarray(labels[index])
            particles.add(plane)
            counts += np.bincount(plane.ravel(), minlength=len(classes))
        group.attrs["classes"] = classes
    write_volume_beside(target, found.paths[0])
    voxel = float(np.prod(volume.spacing)) if volume.spacing else 1.0
    described = {
        name: {"volume_fraction": float(counts[index] / counts.sum())} | particles.describe(index, voxel)
        for index, name in enumerate(classes)
    }
    return _facts(found, list(volume.shape), edge, unlike) | {"spacing": volume.spacing, "classes": described}


def _label(items: list[Item], labels: Any, application: Application) -> None:
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
    for index in range(labels.shape[0]):
        labels[index] = restore_plane(turned, index, labels.shape)


class _Memory:
    """Lets an array in memory stand for a Zarr array of one shard."""

    def __init__(self, array: NDArray[np.uint8]) -> None:
        self.array, self.shape, self.chunks, self.shards = array, array.shape, array.shape, None

    def __setitem__(self, place: slice, values: NDArray[np.uint8]) -> None:
        self.array[place] = values


def _compare(
    found: Input, images: list[NDArray[np.float32]], edge: float | None, application: Application
) -> list[str]:
    """Return and warn of what makes an input unlike the training images."""
    description = application.predictor.description
    trained = description["appearance"]
    if application.predictor.model.normalisation.per_image:
        trained = {name: trained[name] for name in ("spread", "scale")}
    unlike = compare_appearance(images, trained, description["patch_size"][-2:])
    usual = description.get("pixel_size")
    if edge and usual and abs(edge / usual - 1) > _SIZE_TOLERANCE:
        unlike.insert(0, f"the edge of a pixel is {edge:.4g} micrometres, in training {usual:.4g}")
    for difference in unlike:
        warn("%s: %s; labels may be wrong without looking wrong", found.paths[0], difference)
    return unlike


def _facts(found: Input, shape: list[int], edge: float | None, unlike: list[str]) -> Json:
    unit = "micrometre" if edge else "pixel"
    return {"input": str(found.paths[0]), "shape": shape, "pixel_size": edge, "unit": unit, "unlike_training": unlike}


def _write_table(output: Path, inputs: Sequence[Input]) -> None:
    """Write summary.csv of all inputs that are done."""
    rows: list[Json] = []
    for each in inputs:
        name = output_name(each)
        described = output / f"{name}.json"
        if not described.is_file():
            continue
        facts = read_json(described)
        for label, (kind, values) in enumerate(facts["classes"].items()):
            plain = {key: value for key, value in values.items() if not isinstance(value, list)}
            rows.append({"file": name, "class": kind, "label": label, "unit": facts["unit"], **plain})
    names = list(dict.fromkeys(name for row in rows for name in row))
    if not rows:
        return
    with (output / "summary.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(rows)
