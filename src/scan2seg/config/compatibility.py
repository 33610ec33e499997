"""Whether every model of an experiment can learn every dataset of it."""

from collections.abc import Iterable, Iterator, Mapping

from scan2seg.config.dataset import Dataset
from scan2seg.config.model import Model
from scan2seg.config.problems import Problem


def check_compatibility(
    recipes: Iterable[tuple[str, Model]], datasets: Mapping[str, Dataset], folds: int | None
) -> Iterator[Problem]:
    """Yield the settings of a model that do not fit the classes or the split of a dataset.

    Args:
        recipes: each model, those that studies try among them, with the file to name in messages.
        datasets: by name; those without labels are left out.
        folds: of the cross-validation, if any.
    """
    for file, model in recipes:
        for key, dataset in datasets.items():
            if dataset.has_labels():
                yield from _check_classes(model, key, len(dataset.classes), file)
                yield from _check_slices(model, key, dataset.split.strategy, folds, file)


def _check_classes(model: Model, dataset: str, classes: int, file: str) -> Iterator[Problem]:
    output = model.architecture.get("output", "softmax")
    if output == "sigmoid" and classes != 2:
        message = f"needs two classes, the dataset '{dataset}' has {classes}; set softmax"
        yield Problem(file, "architecture.output", message, output)
    weights = model.training.class_weights
    if isinstance(weights, list) and len(weights) != classes:
        message = f"has {len(weights)} weights, the dataset '{dataset}' has {classes} classes; give one a class"
        yield Problem(file, "training.class_weights", message, weights)
    for place, weighting in enumerate(model.weighting):
        background = weighting.get("background", 0)
        if background >= classes:
            message = f"is no class of the dataset '{dataset}'; its {classes} classes count from 0"
            yield Problem(file, f"weighting.{place}.background", message, background)


def _check_slices(model: Model, dataset: str, strategy: str, folds: int | None, file: str) -> Iterator[Problem]:
    """Yield what keeps a dataset's split from leaving consecutive slices together."""
    if model.patching.depth is None:
        return
    place = f"the dataset '{dataset}' needs split.strategy"
    if strategy == "random":
        message = f"patches of volumes are consecutive slices: {place} blocked, grouped or given instead of random"
        yield Problem(file, "patching.depth", message, model.patching.depth)
    elif folds and strategy not in ("blocked", "grouped"):
        # folds divide single images, so that slices of one patch would train and validate
        message = f"folds must keep consecutive slices together: {place} blocked or grouped instead of {strategy}"
        yield Problem(file, "patching.depth", message, model.patching.depth)
