"""Checking the data that a configuration names, before the first job: headers and samples, not whole volumes."""

import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scan2seg.config.dataset import Dataset
from scan2seg.config.experiment import Experiment
from scan2seg.config.images import ImageSource
from scan2seg.config.model import Model
from scan2seg.config.problems import ConfigurationError, Problem
from scan2seg.config.source import ScanSource
from scan2seg.config.volumes import VolumeSource
from scan2seg.errors import InputError
from scan2seg.labels import holds_no_named_colour, map_labels, word_unnamed
from scan2seg.logging import warn
from scan2seg.places import evenly
from scan2seg.sources import Item, find_files, list_items

SAMPLES = 24
"""Images a dataset whose pixels and labels are read."""
MOST_LABELS = 2000
"""Labels in which a rare class is looked for."""


def check_data(experiment: Experiment, path: Path | str) -> None:
    """Check every dataset of an experiment, and the weights of its models.

    Raises:
        ConfigurationError: with every problem found.
    """
    datasets = {**experiment.datasets, **experiment.pretraining, **experiment.new_scans}
    varied = [model for study in experiment.studies.values() for model in study.variants]
    folds = dict.fromkeys(experiment.datasets, experiment.settings.replicates.folds)
    models = [*experiment.models.values(), *varied]
    problems = list(find_problems(datasets, models, experiment.files, str(path), folds))
    if problems:
        raise ConfigurationError(problems)


def find_problems(
    datasets: dict[str, Dataset],
    models: Iterable[Model],
    files: dict[str, str],
    path: str,
    folds: Mapping[str, int | None],
) -> Iterator[Problem]:
    """Yield what is wrong with the data of datasets and models.

    Args:
        datasets: by name.
        models: of the experiment and its studies.
        files: ``datasets.NAME`` and ``models.NAME`` to the file of each.
        path: the file to name for what stands in no other.
        folds: of the datasets that models train on, by name.
    """
    models = list(models)
    for name, dataset in datasets.items():
        yield from check_dataset(dataset, files.get(f"datasets.{name}", path), folds.get(name))
    for model in models:
        file = files.get(f"models.{model.name}", path)
        yield from check_weights(model, file)
        if model.inference.plan is not None:
            trained = {name: datasets[name] for name in folds if folds[name] is None and name in datasets}
            yield from _check_plan(trained, file)


def check_weights(model: Model, file: str) -> Iterator[Problem]:
    """Yield what is wrong with a model's pre-trained weights: jobs read the cache and never download."""
    architecture = model.architecture
    if architecture.get("pretrained", "none") == "none" or not architecture.get("encoder"):
        return
    from scan2seg.encoders.weights import find_weights

    try:
        find_weights(architecture.get("encoder"), architecture.get("pretrained"))
    except InputError as error:
        yield Problem(file, "architecture.pretrained", str(error))


def _check_plan(datasets: Mapping[str, Dataset], file: str) -> Iterator[Problem]:
    """Yield the datasets that give a plan of inference no validation images."""
    for name, dataset in datasets.items():
        if dataset.has_labels() and not _has_validation(dataset):
            message = (
                f"is measured on validation images, and the split of the dataset '{name}' has none; remove it, or give "
                "the split validation images"
            )
            yield Problem(file, "inference.plan", message)


def _has_validation(dataset: Dataset) -> bool:
    """Tell whether a split has validation images, or has problems of its own."""
    if not isinstance(dataset.source, (ImageSource, VolumeSource)):
        lists = dataset.split.lists
        return bool(lists.validation if lists else dataset.split.shares().validation)
    from scan2seg.split.forecast import forecast_split

    try:
        split, _ = forecast_split(dataset.split, list_items(dataset.stack_source(), {}))
    except InputError:
        return True
    return bool(split["validation"])


def check_dataset(dataset: Dataset, file: str, folds: int | None = None) -> Iterator[Problem]:
    """Yield what is wrong with the files of one dataset, and with its split into parts and folds."""
    if isinstance(dataset.source, ScanSource):
        yield from _check_scans(dataset, file)
    if not isinstance(dataset.source, (ImageSource, VolumeSource)):
        return
    try:
        items = list_items(dataset.stack_source(), {})
    except InputError as error:
        yield Problem(file, "source", str(error))
        return
    yield from _check_items(dataset, items, file)
    if items and dataset.has_labels():
        yield from _check_split(dataset, items, file, folds)


def _check_scans(dataset: Dataset, file: str) -> Iterator[Problem]:
    from scan2seg.readers.volumes import open_volume
    from scan2seg.reconstruction.opening import check_scan

    for name, scan in dataset.scan_files().items():
        missing = False
        patterns = {**dataset.scan_patterns(name), "labels": [scan.labels] if scan.labels else []}
        for key, pattern in ((key, pattern) for key, values in patterns.items() for pattern in values):
            try:
                find_files(pattern, key)
            except InputError as error:
                missing = True
                yield Problem(file, f"source.scans.{name}", str(error))
        if missing:
            continue
        for message in check_scan(dataset.scan_source(name), dataset.reconstruction(name)):
            yield Problem(file, f"source.scans.{name}", message)
        if scan.labels:
            try:
                volume = open_volume(Path(scan.labels), scan.labels_key)
                map_labels(volume.plane(0, volume.shape[0] // 2), dataset.source, dataset.classes)
            except InputError as error:
                yield Problem(file, f"source.scans.{name}.labels", str(error))


def _check_items(dataset: Dataset, items: list[Item], file: str) -> Iterator[Problem]:
    if not items:
        yield Problem(file, "source", "there are no images")
        return
    chosen = [items[place] for place in evenly(len(items), SAMPLES)]
    counts = np.zeros(256, np.int64)
    channels: set[int] = set()
    mapping, unnamed = dataset.source, list[str]()
    for item in chosen:
        try:
            channels.add(item.read().shape[0])
            if item.read_label is not None:
                held = _count(map_labels(item.read_label(), mapping, dataset.classes))
                if holds_no_named_colour(held, mapping, dataset.classes):
                    unnamed.append(item.name)
                # only what trains can teach a class; where no part is given, any image may come to train
                counts += held * (item.part in (None, "train"))
        except InputError as error:
            yield Problem(file, "source", str(error), subject=item.name)
    if unnamed:
        warn("%s: %s", file, word_unnamed(unnamed, len(chosen), mapping))
    if len(channels - {1}) > 1:
        yield Problem(file, "source", f"images have {sorted(channels)} channels; they must have as many, or one")
    yield from _check_classes(dataset, items, chosen, counts, file)


def _check_classes(
    dataset: Dataset, items: list[Item], chosen: list[Item], counts: NDArray[np.int64], file: str
) -> Iterator[Problem]:
    if not dataset.classes or not counts.any() or dataset.allow_absent_classes:
        return
    missing = {index for index in range(len(dataset.classes)) if counts[index] == 0}
    # a class may be rare: look at more of the training labels until it is found
    rest = [item for item in items if item.read_label and item.part in (None, "train") and item not in chosen]
    for item in rest[:: max(1, math.ceil(len(rest) / MOST_LABELS))]:
        if not missing:
            return
        assert item.read_label is not None
        try:
            found = _count(map_labels(item.read_label(), dataset.source, dataset.classes))
        except InputError as error:
            yield Problem(file, "source", str(error), subject=item.name)
            return
        missing -= set(np.flatnonzero(found).tolist())
    if len(rest) > MOST_LABELS:
        for index in sorted(missing):
            warn("%s: none of %d labels that were looked at holds '%s'", file, MOST_LABELS, dataset.classes[index])
        return
    for index in sorted(missing):
        message = (
            "no training label holds this class; remove it, correct the label keys, or set allow_absent_classes: true"
        )
        yield Problem(file, f"classes.{index}", message, dataset.classes[index])


def _check_split(dataset: Dataset, items: list[Item], file: str, folds: int | None) -> Iterator[Problem]:
    from scan2seg.split.forecast import forecast_split

    try:
        forecast_split(dataset.split, items, folds)
    except InputError as error:
        key, _, message = str(error).partition(": ")
        yield Problem(file, key, message)


def _count(labels: NDArray[Any]) -> NDArray[np.int64]:
    return np.bincount(labels.ravel(), minlength=256)
