"""Checking one configuration file of any kind, with the data it names."""

from pathlib import Path

from scan2seg.config.components import load_component
from scan2seg.config.dataset import Dataset
from scan2seg.config.experiment import load_experiment
from scan2seg.config.model import Model
from scan2seg.config.problems import ConfigurationError
from scan2seg.config.processing import warn_of_new_scans
from scan2seg.config.yaml_files import read_yaml


def check_file(path: Path) -> str:
    """Check an experiment, dataset or model file; return what is in it, warnings, and how each dataset is split.

    Raises:
        ConfigurationError: with every problem of every file.
    """
    from scan2seg.forecast import describe_needs, find_shortages
    from scan2seg.validation import check_dataset, find_problems

    content = read_yaml(path)
    entry = str(path.resolve())
    if "architecture" in content:
        model, _ = load_component("models", Model, entry, path.parent)
        return f"{path}: model '{model.name}' ({model.architecture.method}) is valid"
    if "source" in content:
        dataset, _ = load_component("datasets", Dataset, entry, path.parent)
        problems = list(check_dataset(dataset, str(path)))
        if problems:
            raise ConfigurationError(problems)
        held = f"dataset '{dataset.name}' ({dataset.source.kind}, {len(dataset.classes)} classes)"
        return "\n".join([f"{path}: {held} is valid", *_describe_split(dataset, None)])
    experiment = load_experiment(path, check=find_problems)
    shortages = list(find_shortages(experiment, str(path)))
    if shortages:
        raise ConfigurationError(shortages)
    runs = len(list(experiment.runs())) if experiment.models else 0
    counted = f"{len(experiment.datasets)} datasets, {len(experiment.models)} models, {runs} runs"
    trials = sum(len(study.trials()) for study in experiment.studies.values())
    counted += f", {len(experiment.studies)} studies of {trials} trials" if experiment.studies else ""
    lines = [f"{path}: experiment '{experiment.settings.experiment}' ({counted}) is valid"]
    for name, dataset in experiment.datasets.items():
        first, *rest = _describe_split(dataset, experiment.settings.replicates.folds) or [""]
        lines += [f"{name}: {first}", *rest] if first else []
    lines += [f"warning: {path}: segment: {line}" for line in warn_of_new_scans(experiment)]
    return "\n".join([*lines, *describe_needs(experiment)])


def _describe_split(dataset: Dataset, folds: int | None) -> list[str]:
    from scan2seg.sources import list_items
    from scan2seg.split.forecast import describe_forecast

    if not dataset.has_labels():
        return []
    if dataset.scans():
        return [f"split {dataset.split.strategy}: images a part are known when the scans are reconstructed"]
    return describe_forecast(dataset.split, list_items(dataset.stack_source(), {}), folds)
