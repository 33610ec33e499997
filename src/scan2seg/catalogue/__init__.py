"""Everything that an experiment makes: what each thing is made from, where it lies and what it depends on.

One mechanism for rules, checks, code tracking, ``scan2seg where`` and ``scan2seg clean``. Things that are equal are
one thing, whichever dataset, model or experiment asks for them.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from scan2seg.catalogue.report import comparison_content, report_content, report_data
from scan2seg.catalogue.runs import (
    Encoder,
    Ensemble,
    Search,
    Training,
    Trials,
    application_folder,
    encoder_name,
    parts_file,
)
from scan2seg.catalogue.segmentations import Application, FileSegmentation, Segmentation
from scan2seg.catalogue.stacks import Patches, Split, Stack, make_split
from scan2seg.catalogue.thing import Dependencies, Kind, Thing
from scan2seg.catalogue.volumes import (
    DenoisedVolume,
    Reconstruction,
    Simulation,
    Volume,
    export_path,
    scan_volumes,
    stages_of,
)
from scan2seg.config.base import Chosen
from scan2seg.config.experiment import Experiment
from scan2seg.config.model import Model
from scan2seg.config.patching import PatchingSettings
from scan2seg.config.processing import list_differences
from scan2seg.documents import Json


@dataclass(frozen=True)
class Run:
    """One replicate of a model or ensemble on a dataset: the names that this experiment gives it, and where it lies.

    ``folder`` has the checkpoint, ``applied`` what the application of the model made: predictions, scores, timing.
    """

    dataset: str
    model: str
    replicate: str
    thing: Training | Ensemble
    folder: str
    applied: str
    parts: str | None = None
    """The scores on training and validation images, where they are asked for and the model was trained."""


class Catalogue:
    """The things of one experiment, by their folder names."""

    def __init__(self, experiment: Experiment) -> None:
        """Find out what the experiment makes; nothing is read but its settings."""
        self.experiment = experiment
        folds = experiment.settings.replicates.folds
        trained = {
            name: make_split(experiment.stem("datasets", name), dataset, folds)
            for name, dataset in experiment.datasets.items()
        }
        only_pretrained = {
            name: make_split(experiment.stem("datasets", name), dataset, None)
            for name, dataset in experiment.pretraining.items()
        }
        self.splits_of: dict[str, Split] = {**trained, **only_pretrained}
        self.new_volumes: dict[str, Volume] = {
            scan: volume for dataset in experiment.new_scans.values() for scan, volume in scan_volumes(dataset).items()
        }

        self._dependencies: dict[str, Dependencies] = {}
        # a thing that many runs share is one object, so that its key is computed once
        self._trainings: dict[tuple[str, str], Training] = {}

    def dependencies(self, thing: Thing) -> Dependencies:
        """Return what a thing depends on beside its parents; files are listed once."""
        if thing.path not in self._dependencies:
            self._dependencies[thing.path] = thing.dependencies()
        return self._dependencies[thing.path]

    @cached_property
    def report_content(self) -> Json:
        """What the report is about, with all paths relative to the results folder."""
        return report_content(self)

    @cached_property
    def comparison_content(self) -> Json:
        """What the comparison is about, with all paths relative to the results folder."""
        return comparison_content(self)

    def report_data(self) -> list[str]:
        """Return the paths of stacks, splits, volumes, known labels and tables of studies that the report shows."""
        return report_data(self)

    def patches_of(self, dataset: str, settings: PatchingSettings) -> Patches:
        """Return the patches of a dataset."""
        return Patches(settings.label(), self.splits_of[dataset], settings)

    def encoder_of(self, dataset: str, model: Model) -> Encoder | None:
        """Return the pre-trained encoder that a model starts from on a dataset; None for most."""
        if model.pretraining is None:
            return None
        patches = self.patches_of(model.pretraining.dataset or dataset, model.patching)
        return Encoder(encoder_name(model.architecture), patches, model.pretraining_recipe())

    def training(self, dataset: str, name: str) -> Training:
        """Return a model trained on a dataset."""
        if (dataset, name) not in self._trainings:
            model = self.experiment.models[name]
            patches, encoder = self.patches_of(dataset, model.patching), self.encoder_of(dataset, model)
            self._trainings[dataset, name] = Training(self.experiment.stem("models", name), patches, model, encoder)
        return self._trainings[dataset, name]

    def ensemble(self, dataset: str, name: str) -> Ensemble:
        """Return an ensemble on a dataset."""
        names = self.experiment.members(name)
        members = tuple(self.training(dataset, member) for member in names)
        seeds = tuple(member.partition("/")[2] for member in self.experiment.settings.ensembles[name])
        return Ensemble(name, members, tuple(self.experiment.inference(member) for member in names), seeds)

    def search(self, dataset: str, name: str) -> Search:
        """Return a study on a dataset."""
        study, split = self.experiment.studies[name], self.splits_of[dataset]
        patches = None if study.own_patches else self.patches_of(dataset, study.model.patching)
        return Search(name, Trials(name, study, split, patches))

    @cached_property
    def runs(self) -> list[Run]:
        """All runs, ensembles included, in the order of the experiment."""
        return [self._run(*names) for names in self.experiment.runs()] if self.experiment.models else []

    def _run(self, dataset: str, model: str, replicate: str) -> Run:
        if model in self.experiment.models:
            training = self.training(dataset, model)
            folder = f"{training.path}/{replicate}"
            applied = folder + application_folder(self.experiment.inference(model))
            most = self.experiment.settings.score_parts
            parts = f"{applied}/{parts_file(most)}" if most else None
            return Run(dataset, model, replicate, training, folder, applied, parts)
        ensemble = self.ensemble(dataset, model)
        folder = f"{ensemble.path}/{replicate}"
        return Run(dataset, model, replicate, ensemble, folder, folder)

    @cached_property
    def segmentations(self) -> dict[str, Application]:
        """Folder name to segmentation of each new scan, and of each dataset of other new images."""
        segment = self.experiment.settings.segment
        if segment is None or not self.experiment.models:
            return {}
        dataset = self.experiment.trained_on()
        models = self.experiment.models
        members: tuple[str, ...] = ()
        if segment.model in self.experiment.settings.ensembles:
            members = tuple(self.experiment.member_runs(segment.model))
        names = [member.partition("/")[0] for member in members] or [segment.model]
        candidates = models if segment.model == "best" else {name: models[name] for name in names}
        trainings = {name: self.training(dataset, name) for name in candidates}
        inference = {name: model.inference.model_dump(mode="json") for name, model in candidates.items()}
        replicates = {name: tuple(self.experiment.replicates(name)) for name in candidates}
        scored = {name: application_folder(self.experiment.inference(name)) for name in candidates}
        applied = (segment.model, trainings, inference, replicates, scored, dataset, members)
        new = self.experiment.new_scans
        files = {self.experiment.stem("datasets", name): data for name, data in new.items() if not data.scans()}
        made: list[Application] = [Segmentation(scan, *applied, volume) for scan, volume in self.new_volumes.items()]
        return by_folder([*made, *(FileSegmentation(name, *applied, data) for name, data in files.items())])

    @cached_property
    def searches(self) -> dict[str, Search]:
        """Folder name to study on each dataset that has labels."""
        return by_folder(
            self.search(dataset, study)
            for dataset, content in self.experiment.datasets.items()
            if content.has_labels()
            for study in self.experiment.studies
        )

    @cached_property
    def applications(self) -> dict[str, Json]:
        """RUN/APPLIED, the folder of predictions, to the settings of inference that it stands for."""
        return {
            run.applied.removeprefix("runs/"): self.experiment.inference(run.model).model_dump(mode="json")
            for run in self.runs
            if run.model in self.experiment.models
        }

    def member_predictions(self, ensemble: Ensemble, replicate: str) -> list[str]:
        """Return the predictions that a replicate of an ensemble averages: its members' of that name or fold."""
        run = next(run for run in self.runs if run.thing == ensemble)
        return ensemble.predictions(self.experiment.member_replicates(run.model, replicate))

    def models_of(self, thing: Thing) -> list[Model]:
        """Return the models that a job is about: one, those that share an encoder, or all to choose from."""
        if isinstance(thing, Training):
            return [thing.model]
        if isinstance(thing, Trials):
            return [thing.study.model]
        if isinstance(thing, Encoder):
            trainings = self.all_of(Training).values()
            return [training.model for training in trainings if training.encoder and training.encoder.key == thing.key]
        return list(self.experiment.models.values())

    def processing_differences(self, segmentation: Application) -> list[str]:
        """Say in what a new scan is processed unlike the scans that its model was trained on."""
        new_scans = self.experiment.new_scans.values()
        new = next(dataset for dataset in new_scans if segmentation.name in dataset.scans())
        return list_differences(self.experiment.datasets[segmentation.trained_on], new, segmentation.name)

    def volumes(self) -> list[str]:
        """Return the path of the final volume of every scan, and of the files in other formats that are asked for."""
        stacked = [volume for split in self.splits_of.values() for volume in split.stack.volumes.values()]
        return list(dict.fromkeys([*(volume.path for volume in [*stacked, *self.new_volumes.values()]), *self.exports]))

    @cached_property
    def exports(self) -> dict[str, tuple[Thing, Chosen]]:
        """Path to volume and format of every file that a volume is written to in another format."""
        experiment = self.experiment
        datasets = {**experiment.datasets, **experiment.pretraining, **experiment.new_scans}
        return {
            export_path(stage, form): (stage, form)
            for dataset in datasets.values()
            for form in dataset.formats()
            for volume in scan_volumes(dataset).values()
            for stage in stages_of(volume)
        }

    def things(self) -> Iterator[Thing]:
        """Iterate over everything that the experiment makes or uses, each once."""
        ends: list[Thing] = [*self.splits_of.values(), *self.new_volumes.values(), *self.searches.values()]
        ends += [run.thing for run in self.runs]
        ends += self.segmentations.values()
        seen: set[str] = set()
        for end in ends:
            for thing in end.lineage():
                if thing.path not in seen:
                    seen.add(thing.path)
                    yield thing

    @cached_property
    def by_wildcard(self) -> dict[str, dict[str, Thing]]:
        """Name of a wildcard to what it may stand for; what a job makes comes before what it is made from."""
        splits = {split.key: split for split in self.all_of(Split).values()}
        kinds: dict[str, type[Thing]] = {
            "search": Search, "trials": Trials, "encoder": Encoder, "patching": Patches,
            "stack": Stack, "volume": DenoisedVolume, "reconstruction": Reconstruction, "simulation": Simulation,
        }  # fmt: skip
        found: dict[str, dict[str, Thing]] = {"segmentation": {**self.segmentations}}
        found["run"] = {**self.all_of(Training), **self.all_of(Ensemble)}
        found["split"] = {**splits}
        return found | {name: {**self.all_of(kind)} for name, kind in kinds.items()}

    def all_of(self, kind: type[Kind]) -> dict[str, Kind]:
        """Return folder name to thing of one kind."""
        return by_folder(thing for thing in self._all if isinstance(thing, kind))

    @cached_property
    def _all(self) -> list[Thing]:
        return list(self.things())


def by_folder(things: Iterable[Kind]) -> dict[str, Kind]:
    """Return folder name to thing."""
    return {thing.folder: thing for thing in things}
