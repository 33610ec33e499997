"""Names within an experiment file: models and seeds of ensembles, the reference model, what segments new scans."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from scan2seg.config.problems import Problem

if TYPE_CHECKING:
    from scan2seg.config.experiment import Experiment


def check_references(experiment: "Experiment", path: str) -> Iterator[Problem]:
    """Yield every name of an experiment file that means none of its models, ensembles or datasets."""
    settings = experiment.settings
    names = {*experiment.models, *settings.ensembles}
    listed = ", ".join(sorted(names))
    if settings.reference_model is not None and settings.reference_model not in names:
        yield Problem(path, "reference_model", f"is none of {listed}", settings.reference_model)
    for name, members in settings.ensembles.items():
        if name in experiment.models:
            yield Problem(path, f"ensembles.{name}", "a model has this name already; choose another")
        if len(members) < 2:
            yield Problem(path, f"ensembles.{name}", "name at least two models", members)
        yield from _check_members(experiment, name, members, path)
    yield from _check_segmentation(experiment, path)
    trains = "models" if experiment.models else "studies" if experiment.studies else None
    if trains and not any(dataset.has_labels() for dataset in experiment.datasets.values()):
        message = "no dataset has labels to train on; set models: [] and no studies to stop at the volumes"
        yield Problem(path, trains, message)


def _check_members(experiment: "Experiment", name: str, members: list[str], path: str) -> Iterator[Problem]:
    seeds = [f"seed{seed}" for seed in experiment.settings.replicates.seeds]
    named = [member for member in members if "/" in member]
    if named and len(named) < len(members):
        yield Problem(path, f"ensembles.{name}", "name the seed of every member or of none", members)
    if len(set(members)) < len(members):
        yield Problem(path, f"ensembles.{name}", "a member stands twice; name another seed (MODEL/seed1)", members)
    for member in members:
        model, _, seed = member.partition("/")
        if model not in experiment.models:
            yield Problem(path, f"ensembles.{name}", f"is none of {', '.join(experiment.models)}", member)
        elif "/" in member and seed not in seeds:
            yield Problem(path, f"ensembles.{name}", f"has no such seed; replicates: has {', '.join(seeds)}", member)


def _check_segmentation(experiment: "Experiment", path: str) -> Iterator[Problem]:
    segment = experiment.settings.segment
    if segment is None:
        return
    names = {*experiment.models, *experiment.settings.ensembles}
    if segment.model != "best" and segment.model not in names:
        yield Problem(path, "segment.model", f"choose best or one of {', '.join(sorted(names))}", segment.model)
    if not experiment.models:
        yield Problem(path, "segment", "needs models: to segment with")
    trained_on = segment.trained_on
    if trained_on is None and len(experiment.datasets) > 1:
        yield Problem(path, "segment.trained_on", "the experiment has several datasets; name one of them")
    if trained_on is not None and trained_on not in experiment.datasets:
        yield Problem(path, "segment.trained_on", f"is none of {', '.join(experiment.datasets)}", trained_on)
    seen: dict[str, str] = {}
    for name, dataset in experiment.new_scans.items():
        if experiment.datasets.get(name, dataset) != dataset:
            message = f"the name '{name}' stands for a dataset with other settings in datasets; give one another name:"
            yield Problem(path, "segment.datasets", message, name)
        for scan in dataset.scans():
            if seen.setdefault(scan, name) != name:
                yield Problem(path, "segment.datasets", f"the scan '{scan}' is in {seen[scan]} too; rename one", name)
