"""Encoders, trained models, their predictions, ensembles and studies."""

import re
from dataclasses import dataclass

from scan2seg.catalogue.stacks import Patches, Split
from scan2seg.catalogue.thing import Dependencies, Thing, make_key
from scan2seg.config.base import Chosen
from scan2seg.config.model import Model
from scan2seg.config.recipe import EncoderRecipe
from scan2seg.config.study import Study
from scan2seg.config.training import InferenceSettings
from scan2seg.documents import Json


@dataclass(frozen=True)
class Encoder(Thing):
    """An encoder pre-trained on patches; models whose encoder and settings are equal share it."""

    patches: Patches
    recipe: EncoderRecipe

    @property
    def content(self) -> Json:
        """The patches and the recipe of the pre-training."""
        return {"patches": self.patches.key, "recipe": self.recipe.content()}

    @property
    def parents(self) -> tuple[Thing, ...]:
        """Patches, split and stack."""
        return (self.patches, *self.patches.parents)

    @property
    def path(self) -> str:
        """The weights."""
        return f"encoders/{self.folder}/encoder.safetensors"

    def dependencies(self) -> Dependencies:
        """Return the weights that it starts from, and the code of the pre-training and its augmentations."""
        modules = (item.module_name for item in self.recipe.augmentation)
        return Dependencies(_own_weights(self.recipe.pretrained), ("scan2seg.training.pretraining", *modules))


@dataclass(frozen=True)
class Training(Thing):
    """A trained model; its replicates lie below its folder."""

    patches: Patches
    model: Model
    encoder: Encoder | None = None

    @property
    def content(self) -> Json:
        """Patches, recipe and encoder."""
        recipe = {key: value for key, value in self.model.recipe().content().items() if key != "pretraining"}
        return {
            "patches": self.patches.key,
            "recipe": recipe,
            "encoder": self.encoder.key if self.encoder else None,
        }

    @property
    def parents(self) -> tuple[Thing, ...]:
        """Patches, split, and the encoder that it starts from."""
        started = (self.encoder, self.patches.split.stack) if self.encoder else ()
        return (self.patches, self.patches.split, *started)

    @property
    def path(self) -> str:
        """The folder of all replicates."""
        return f"runs/{self.folder}"

    def dependencies(self) -> Dependencies:
        """Return pre-trained weights, and the code of training and of every plugin of the recipe."""
        return Dependencies(weight_files(self.model.architecture), ("scan2seg.training.train", *plugins_of(self.model)))

    @property
    def dataset_name(self) -> str:
        """The name of the stack that it is trained on."""
        return self.patches.split.stack.name

    def architecture_module(self) -> str:
        """Return the module of the architecture: all that an application of the trained model needs of the recipe."""
        return self.model.architecture.module_name


@dataclass(frozen=True)
class Ensemble(Thing):
    """The mean of the predictions of several models."""

    members: tuple[Training, ...]
    inference: tuple[InferenceSettings, ...]
    seeds: tuple[str, ...]

    @property
    def content(self) -> Json:
        """The members, the seeds that are named for them, and how they are applied."""
        inference = [settings.model_dump(mode="json") for settings in self.inference]
        seeds = {"seeds": list(self.seeds)} if any(self.seeds) else {}
        return {"members": [member.folder for member in self.members], "inference": inference, **seeds}

    @property
    def parents(self) -> tuple[Thing, ...]:
        """The members."""
        return self.members

    @property
    def path(self) -> str:
        """The folder of all replicates."""
        return f"runs/{self.folder}"

    @property
    def dataset_name(self) -> str:
        """The name of the stack that its members are trained on."""
        return self.members[0].dataset_name

    def predictions(self, replicates: list[str]) -> list[str]:
        """Return the prediction of each member, of the replicate named for it."""
        parts = zip(self.members, replicates, self.inference, strict=True)
        return [f"{member.path}/{name}{application_folder(how)}/prediction.zarr" for member, name, how in parts]

    def dependencies(self) -> Dependencies:
        """Return the code of ensembles."""
        return Dependencies(modules=("scan2seg.inference.ensembling",))


@dataclass(frozen=True)
class Trials(Thing):
    """The trials of a study on one dataset; studies that differ in nothing that a trial depends on share them."""

    study: Study
    split: Split
    patches: Patches | None

    @property
    def content(self) -> Json:
        """The data and what every trial has in common: not how many there are, nor other points of a grid."""
        data = (self.patches or self.split).key
        return {"data": data, **self.study.common()}

    @property
    def parents(self) -> tuple[Thing, ...]:
        """The patches, or the stack where each trial cuts its own, and the split."""
        return (self.patches or self.split.stack, self.split)

    @property
    def path(self) -> str:
        """The folder of the trials."""
        return f"studies/{self.folder}"

    def files(self, names: list[str]) -> list[str]:
        """Return the paths of the files of trials."""
        return [f"{self.path}/{name}/trial.json" for name in names]

    def earlier(self, trial: str) -> list[str]:
        """Return the files of the trials that one learns from."""
        return self.files(self.study.earlier(trial))

    def dependencies(self) -> Dependencies:
        """Return the weights and code of every variant that a trial may try."""
        files = {file for model in self.study.variants for file in weight_files(model.architecture)}
        modules = {name for model in self.study.variants for name in plugins_of(model)}
        return Dependencies(tuple(sorted(files)), ("scan2seg.tuning.trial", *sorted(modules)))


@dataclass(frozen=True)
class Search(Thing):
    """The comparison of a study's trials: their table and what was best."""

    trials: Trials

    @property
    def content(self) -> Json:
        """The trials and their names."""
        return {"trials": self.trials.key, "names": self.trials.study.trials()}

    @property
    def parents(self) -> tuple[Thing, ...]:
        """The trials."""
        return (self.trials,)

    @property
    def path(self) -> str:
        """The table."""
        return f"studies/{self.folder}/study.csv"

    def files(self) -> list[str]:
        """Return the files of all trials."""
        return self.trials.files(self.trials.study.trials())

    def dependencies(self) -> Dependencies:
        """Return the code of the comparison and of every variant, which it checks."""
        return Dependencies(modules=self.trials.dependencies().modules)


def application_folder(inference: InferenceSettings) -> str:
    """Return where, below a replicate, predictions lie: beside the checkpoint with the default settings.

    Other settings are another thing made from the same training, so they have a folder of their own.
    """
    settings = inference.model_dump(mode="json")
    default = InferenceSettings().model_dump(mode="json")
    return "" if settings == default else f"/inference-{make_key(settings)}"


def parts_file(most: int) -> str:
    """Return the name of the file of scores on training and validation images; another number draws other images."""
    return f"parts-{make_key({'images': most})}.json"


def encoder_name(architecture: Chosen) -> str:
    """Return the name of an encoder as a folder's name takes it."""
    return re.sub(r"[^a-z0-9_-]+", "-", architecture.get("encoder").lower()).strip("-_")


def weight_files(architecture: Chosen) -> tuple[str, ...]:
    """Return the file of pre-trained weights that an architecture names by its path; none for the hub's names."""
    return _own_weights(architecture.get("pretrained"))


def _own_weights(name: str | None) -> tuple[str, ...]:
    from scan2seg.config.base import is_path

    return (name,) if name is not None and is_path(name) else ()


def plugins_of(model: Model) -> list[str]:
    """Return the modules of all plugins of a recipe."""
    chosen = [model.architecture, *model.loss, *model.augmentation, *model.weighting]
    return [each.module_name for each in chosen]
