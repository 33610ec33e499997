"""An experiment: which datasets, which models, how often; and the loading of all the files it names."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from scan2seg.config.base import FilePath, Name, Settings, SlurmName
from scan2seg.config.compatibility import check_compatibility
from scan2seg.config.components import load_component, load_components, load_pretraining
from scan2seg.config.dataset import Dataset
from scan2seg.config.model import Model
from scan2seg.config.problems import ConfigurationError, Problem, from_validation
from scan2seg.config.references import check_references
from scan2seg.config.shared_work import SharedWork
from scan2seg.config.study import Study, StudySettings, load_studies
from scan2seg.config.tracking import Tracking
from scan2seg.config.training import InferenceSettings
from scan2seg.config.yaml_files import check_content, read_yaml


class Replicates(Settings):
    """How often each model is trained."""

    seeds: list[int] = Field(default=[0], max_length=1000)
    """One training a seed."""
    folds: int | None = Field(default=None, ge=2, le=50)
    """Cross-validation: the training and validation images are divided anew into this many folds; the test
    images stay apart."""

    @model_validator(mode="after")
    def _check_seeds(self) -> Self:
        if not self.seeds or min(self.seeds) < 0 or len(set(self.seeds)) != len(self.seeds):
            raise ValueError("seeds: give at least one, none below 0, none twice")
        return self

    def names(self) -> list[str]:
        """Return the names of the replicates, such as ``seed0`` or ``fold2-seed0``."""
        if self.folds is None:
            return [f"seed{seed}" for seed in self.seeds]
        return [f"fold{fold}-seed{seed}" for fold in range(self.folds) for seed in self.seeds]


class Cluster(Settings):
    """Facts of the site, written in the profile."""

    cpu_partition: SlurmName | None = None
    """Partition of jobs without a GPU."""
    gpu_partition: SlurmName | None = None
    """Partition of jobs with a GPU."""
    gpu_request: Literal["gpu", "gres", "none"] = "none"
    """How GPUs are asked for: gpu sends --gpus=N, gres sends --gres=gpu:N; sites take one or the other."""
    account: SlurmName | None = None
    """Account that the jobs are charged to."""
    container: str | None = None
    """An Apptainer image that stages run in, with ``software-deployment-method: apptainer``; see docs/cluster.md."""
    max_mem_mb: int | None = Field(default=None, ge=500)
    """The most memory in megabytes that a job may ask for when it is tried again: what the largest node has."""
    stalled_minutes: float | None = Field(default=None, gt=0)
    """Minutes after which a job that used neither processor nor disk is told of in its log; null: never."""
    end_stalled: bool = False
    """End such a job, so that it is tried again where retries are left."""
    workers: SharedWork | None = None
    """Dask workers that share each large volume; null: every volume is one job's."""

    @model_validator(mode="after")
    def _check_stalled(self) -> Self:
        if self.end_stalled and self.stalled_minutes is None:
            raise ValueError("end_stalled: true ends nothing without a limit; add stalled_minutes: 30 or remove it")
        return self


class Segmentation(Settings):
    """New scans, images and volumes that the best model segments."""

    datasets: list[str | dict[str, Any]] = Field(min_length=1)
    """Dataset files with the new scans, or with new images or volumes. These are read as the training images were;
    their own ``resize``, ``spacing`` and the like do not count, and labels that they have are not looked at."""
    model: str = "best"
    """A model of this experiment, an ensemble, whose first replicate is used, or the best model of the ranking, which
    is no ensemble."""
    trained_on: Name | None = None
    """The dataset whose models are used; needed where the experiment has several."""
    tiff: bool = False
    """Write the labels of scans as a multi-page TIFF too."""


class ExperimentSettings(Settings):
    """An experiment file."""

    experiment: Name
    """Its name; the report's folder."""
    description: str = ""
    """A sentence for the report."""
    datasets: list[str | dict[str, Any]] = Field(min_length=1)
    """Stems in config/datasets, paths of YAML files, or ``{base: NAME, name: NEW, ...}`` with changed keys."""
    models: list[str | dict[str, Any]] = []
    """Stems in config/models, paths, or ``{base: NAME, name: NEW, ...}``; none stops at the volumes."""
    replicates: Replicates = Replicates()
    """How often each model is trained."""
    reference_model: str | None = None
    """The model that the others are tested against; the first one when not given."""
    ensembles: dict[Name, list[str]] = {}
    """Name to the models whose probabilities are averaged, each with the replicate of the same name; ``MODEL/seedN``
    names the seed, so that one model may be a member several times. Where seeds are named there is one ensemble a fold.
    """
    studies: dict[Name, StudySettings] = {}
    """Name to a search for good values of a model's keys, on the validation images of each dataset."""
    score_parts: int | None = Field(default=None, ge=1)
    """Score every trained model on training and validation images too, beside the test images: at most so many of each
    part, drawn once by a fixed seed. Nothing is chosen by these scores. Not when null, for each such image takes as
    long to predict as a test image."""
    saliency: bool = False
    """Draw maps of the input gradient for the best model's example images."""
    segment: Segmentation | None = None
    """New scans, images and volumes to segment."""
    tracking: Tracking = Tracking()
    """Where MLflow keeps the runs."""
    results: FilePath = "results"
    """The folder of all results, from where snakemake runs."""
    track_code: bool = True
    """Run stages again whose source code changed; usually switched in the profile."""
    cluster: Cluster = Cluster()
    """Facts of the site, written in the profile."""

    @field_validator("results")
    @classmethod
    def _check_results(cls, results: str) -> str:
        """Keep signs that Snakemake or a shell reads otherwise out of the names of all files."""
        found = sorted({character for character in results if character in "{}[]*?$`'\"\\;|&<>()!\n"})
        if found:
            raise ValueError(f"a folder's name with {' '.join(found)} cannot be used here; choose another")
        return results


@dataclass(frozen=True)
class Experiment:
    """An experiment with every file that it names loaded and checked."""

    settings: ExperimentSettings
    datasets: dict[str, Dataset]
    models: dict[str, Model]
    studies: dict[str, Study]
    new_scans: dict[str, Dataset]
    pretraining: dict[str, Dataset]
    """Datasets that encoders are pre-trained on and nothing else."""
    files: dict[str, str]
    """``datasets.NAME`` and ``models.NAME`` to the file each came from, for messages."""

    def stem(self, kind: str, name: str) -> str:
        """Return the name of the file that a dataset or model comes from, as a folder's name takes it."""
        stem = re.sub(r"[^a-z0-9_-]+", "-", Path(self.files.get(f"{kind}.{name}", name)).stem.lower()).strip("-_")
        return stem or name

    def inference(self, model: str) -> InferenceSettings:
        """Return how a model is applied; members of an ensemble keep their probabilities."""
        settings = self.models[model].inference
        member = any(model in self.members(name) for name in self.settings.ensembles)
        return settings.model_copy(update={"probabilities": True}) if member else settings

    def members(self, ensemble: str) -> list[str]:
        """Return the models of an ensemble, without the seeds that are named for them."""
        return [member.partition("/")[0] for member in self.settings.ensembles[ensemble]]

    def member_replicates(self, ensemble: str, replicate: str) -> list[str]:
        """Return each member's replicate in an ensemble's: the seed named, the same name, or the fold's only one."""
        fold = replicate.rpartition("seed")[0]
        names = []
        for member in self.settings.ensembles[ensemble]:
            model, _, seed = member.partition("/")
            own, wanted = self.replicates(model), f"{fold}{seed}" if seed else replicate
            names.append(wanted if wanted in own else next(name for name in own if name.startswith(fold)))
        return names

    def member_runs(self, ensemble: str) -> list[str]:
        """Return MODEL/REPLICATE of each member of an ensemble's first replicate."""
        first = self.replicates(ensemble)[0]
        pairs = zip(self.members(ensemble), self.member_replicates(ensemble, first), strict=True)
        return [f"{model}/{replicate}" for model, replicate in pairs]

    def recipes(self) -> list[Model]:
        """Return the models, and those that studies vary on shared patches."""
        return [*self.models.values(), *(study.model for study in self.studies.values() if not study.own_patches)]

    def replicates(self, model: str) -> list[str]:
        """Return the replicates of a model or ensemble."""
        names = self.settings.replicates.names()
        recipe = self.models.get(model)
        once = recipe is not None and recipe.deterministic_fit
        if once or any("/" in member for member in self.settings.ensembles.get(model, [])):
            first = self.settings.replicates.seeds[0]
            names = [name for name in names if name.endswith(f"seed{first}")]
        return names

    def runs(self) -> Iterator[tuple[str, str, str]]:
        """Iterate over (dataset, model, replicate), ensembles included."""
        for dataset in self.datasets:
            if not self.datasets[dataset].has_labels():
                continue
            for model in (*self.models, *self.settings.ensembles):
                for replicate in self.replicates(model):
                    yield dataset, model, replicate

    def trained_on(self) -> str:
        """Return the name of the dataset whose models segment new scans."""
        return (self.settings.segment and self.settings.segment.trained_on) or next(iter(self.datasets))

    def summary(self) -> dict[str, Any]:
        """Return what the report and MLflow show: everything resolved, without what changes no result."""
        return {
            "experiment": self.settings.experiment,
            "description": self.settings.description,
            "reference_model": self.settings.reference_model,
            "replicates": self.settings.replicates.names(),
            "ensembles": self.settings.ensembles,
            "datasets": {name: dataset.model_dump(mode="json") for name, dataset in self.datasets.items()},
            "models": {
                name: {
                    "description": model.description,
                    **model.recipe().content(),
                    "inference": model.inference.model_dump(),
                }
                for name, model in self.models.items()
            },
            "studies": {name: study.summary() for name, study in self.studies.items()},
        }


Check = Callable[
    [dict[str, Dataset], Iterable[Model], dict[str, str], str, Mapping[str, int | None]], Iterable[Problem]
]
"""Looks at the data of datasets and models: those, the file of each, the experiment's file, and the folds of each
dataset that models train on."""


def load_experiment(path: Path | str, content: dict[str, Any] | None = None, check: Check | None = None) -> Experiment:
    """Load an experiment file and the dataset and model files that it names.

    Args:
        path: the experiment file; relative paths within count from its folder.
        content: what it holds, where the caller has merged several files or the command line into it.
        check: looks at the data of what could be loaded, also where another part has problems.

    Raises:
        ConfigurationError: with every problem of every file.
    """
    path = Path(path)
    raw = read_yaml(path) if content is None else content
    check_content(raw, path)
    problems: list[Problem] = []
    settings = _read_settings(raw, path, problems)
    # what can be read of wrong settings is checked as well: all problems are told at once
    entries = {key: _entries(raw.get(key)) for key in ("datasets", "models")}
    entries["new"] = _entries(raw["segment"].get("datasets")) if isinstance(raw.get("segment"), dict) else []
    files: dict[str, str] = {}
    datasets = load_components("datasets", Dataset, entries["datasets"], path, files, problems)
    models = load_components("models", Model, entries["models"], path, files, problems)
    new_scans = load_components("datasets", Dataset, entries["new"], path, files, problems, key="segment.datasets")
    models, pretraining = load_pretraining(models, {**new_scans, **datasets}, path, files, problems)
    pretraining = {name: dataset for name, dataset in pretraining.items() if name not in datasets}
    studies: dict[str, Study] = {}
    if settings is not None:
        studies = load_studies(
            settings.studies,
            lambda entry: load_component("models", Model, entry, path.parent, path)[0],
            str(path),
            problems,
        )
        experiment = Experiment(settings, datasets, models, studies, new_scans, pretraining, files)
        if not problems:
            problems.extend(check_references(experiment, str(path)))
            recipes = [(files[f"models.{name}"], model) for name, model in models.items()]
            recipes += [(str(path), model) for study in studies.values() for model in study.variants]
            problems.extend(check_compatibility(recipes, datasets, settings.replicates.folds))
    if check is not None:
        varied = [model for study in studies.values() for model in study.variants]
        everything = {**datasets, **pretraining, **new_scans}
        folds = dict.fromkeys(datasets, settings.replicates.folds if settings else None)
        problems.extend(check(everything, [*models.values(), *varied], files, str(path), folds))
    if settings is None or problems:
        raise ConfigurationError(problems)
    return experiment


def _read_settings(raw: dict[str, Any], path: Path, problems: list[Problem]) -> ExperimentSettings | None:
    try:
        return ExperimentSettings.model_validate({"experiment": path.stem, **raw})
    except ValidationError as error:
        problems.extend(from_validation(error, ExperimentSettings, path))
        return None


def _entries(listed: Any) -> list[str | dict[str, Any]]:
    return [entry for entry in listed if isinstance(entry, (str, dict))] if isinstance(listed, list) else []
