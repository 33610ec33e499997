"""Whether every model of an experiment can learn every dataset of it."""

from collections.abc import Iterator, Mapping

from scan2seg.config.dataset import Dataset
from scan2seg.config.model import Model
from scan2seg.config.problems import Problem


def check_compatibility(
    models: Mapping[str, Model], datasets: Mapping[str, Dataset], folds: int | None, files: Mapping[str, str]
) -> Iterator[Problem]:
    """Yield the settings of a model that do not fit the classes or the split of a dataset.

    Args:
        models: by name.
        datasets: by name; those without labels are left out.
        folds: of the cross-validation, if any.
        files: ``models.NAME`` to the file of each model, for the messages.
    """
    for name, model in models.items():
        file = files[f"models.{name}"]
        for key, dataset in datasets.items():
            if dataset.has_labels():
                yield from _check_classes(model, key, len(dataset.classes), file)
                if folds and model.patching.depth and dataset.split.strategy != "grouped":
                    # folds divide single images, so that slices of one patch would train and validate
                    message = f"folds need whole volumes, so that the dataset '{key}' needs split.strategy: grouped"
                    yield Problem(file, "patching.depth", message, model.patching.depth)


def _check_classes(model: Model, dataset: str, classes: int, file: str) -> Iterator[Problem]:
    output = model.architecture.get("output", "softmax")
    if output == "sigmoid" and classes != 2:
        message = f"needs two classes, the dataset '{dataset}' has {classes}; set softmax"
        yield Problem(file, "architecture.output", message, output)
    weights = model.training.class_weights
    if isinstance(weights, list) and len(weights) != classes:
        message = f"has {len(weights)} weights, the dataset '{dataset}' has {classes} classes; give one a class"
        yield Problem(file, "training.class_weights", message, weights)
