"""A study: which keys of a recipe are searched over which values, all of them checked before the first job."""

import copy
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from scan2seg.config.base import Settings
from scan2seg.config.model import Model
from scan2seg.config.problems import ConfigurationError, Problem, from_validation
from scan2seg.config.recipe import Recipe
from scan2seg.config.searched_key import SearchedKey
from scan2seg.errors import InputError
from scan2seg.provenance import fingerprint

MOST_POINTS = 1000
"""A grid of more points than this is taken for a mistake."""
_NO_EFFECT = ("name", "description", "deterministic_fit", "inference", "resources")


class StudySettings(Settings):
    """A search for good values of a recipe's keys; every trial is one training, scored on the validation images."""

    model: str | dict[str, Any]
    """The model to vary: a stem in config/models, a path, or ``{base: NAME, ...}``; it need not be in ``models``."""
    sampler: Literal["tpe", "random", "grid"] = "tpe"
    """tpe learns from the trials before (Optuna's tree-structured Parzen estimator); random; grid: all combinations."""
    trials: int | None = Field(default=None, ge=1)
    """How many trainings; more of them later run the new ones only. A grid has as many as points."""
    parallel: int = Field(default=1, ge=1)
    """With tpe: trials at a time, each of which learns from the rounds before; fewer learn more."""
    startup: int = Field(default=10, ge=1)
    """With tpe: the first trials, drawn at random and independent of each other."""
    seed: int = Field(default=0, ge=0)
    """Of the search, and of every training in it."""
    space: dict[str, SearchedKey]
    """Dotted keys of the model file, such as ``optimizer.learning_rate`` or ``loss.0.weight``, to their values."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.space:
            raise ValueError("space: is empty; name at least one key of the model file")
        if self.sampler != "grid":
            if self.trials is None:
                raise ValueError(f"trials: is missing; say how many the sampler {self.sampler} may run")
            return self
        count = 1
        for key, searched in self.space.items():
            points = searched.points()
            if points is None:
                raise ValueError(f"space.{key}: a grid needs values: or step:, or take another sampler")
            count *= len(points)
        if self.trials is not None or count > MOST_POINTS:
            raise ValueError(
                f"the grid runs all of its {count} points (at most {MOST_POINTS}); remove trials: or points"
            )
        return self


class TrialSettings(Settings):
    """What the result of a trial depends on, beside its data and the results of the trials that it learns from."""

    seed: int
    """Of the search and of the training."""
    recipe: Recipe
    """Of the model that is varied."""
    own_patches: bool
    """Whether it cuts its own patches."""
    values: dict[str, Any] | None = None
    """The values of a grid's trial by key; the others draw theirs."""
    number: int = 0
    """Its place in the study."""
    sampler: Literal["tpe", "random"] = "random"
    """How values are drawn."""
    space: dict[str, SearchedKey] = {}
    """Keys and the values to draw from."""
    startup: int = 0
    """With tpe: the first trials, drawn at random."""

    def vary(self, values: dict[str, Any]) -> Model:
        """Return the model of the recipe with these values.

        Raises:
            InputError: a key leads nowhere, or the model does not take a value.
        """
        return vary_model(Model.model_construct(name="study", **dict(self.recipe)), values)

    def content(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        return {**self.model_dump(mode="json", exclude_unset=True), "recipe": self.recipe.content()}


@dataclass(frozen=True)
class Study:
    """A study with its model loaded and every value tried."""

    name: str
    settings: StudySettings
    model: Model
    variants: list[Model]
    """The model with each end of a range or listed value put in, one at a time."""

    @property
    def own_patches(self) -> bool:
        """Whether each trial cuts its own patches, because their settings are searched."""
        return any(key.split(".")[0] == "patching" for key in self.settings.space)

    def trials(self) -> list[str]:
        """Return the names of the trials in order; a grid's are made from the point, so that new points move none."""
        if self.settings.sampler == "grid":
            return [f"grid-{fingerprint(point)}" for point in self._grid()]
        return [f"trial{number}" for number in range(self.settings.trials or 0)]

    def earlier(self, trial: str) -> list[str]:
        """Return the trials that this one learns from: with tpe those of the rounds before, none at the start."""
        startup, parallel = self.settings.startup, self.settings.parallel
        number = self.trials().index(trial)
        if self.settings.sampler != "tpe" or number < startup:
            return []
        return self.trials()[: startup + (number - startup) // parallel * parallel]

    def common(self) -> dict[str, Any]:
        """Return what all trials have in common; a grid's trials are named by their points, so its space is no part."""
        settings = self.settings
        common = {"seed": settings.seed, "recipe": self.model.recipe().content(), "own_patches": self.own_patches}
        if settings.sampler == "grid":
            return common
        space = {key: settings.space[key].model_dump(mode="json") for key in sorted(settings.space)}
        learning = {"startup": settings.startup} if settings.sampler == "tpe" else {}
        return {**common, "sampler": settings.sampler, "space": space, **learning}

    def job(self, trial: str) -> dict[str, Any]:
        """Return what the result of a trial depends on, and nothing else: not how many trials there are."""
        number = self.trials().index(trial)
        place = {"values": self._grid()[number]} if self.settings.sampler == "grid" else {"number": number}
        return {**self.common(), **place}

    def report(self) -> dict[str, Any]:
        """Return what the report decides by, as plain JSON."""
        space = {key: searched.model_dump(mode="json") for key, searched in self.settings.space.items()}
        names = {"model": self.model.name, "sampler": self.settings.sampler, "monitor": self.model.training.monitor}
        return {**names, "trials": len(self.trials()), "space": space}

    def summary(self) -> dict[str, Any]:
        """Return what the report shows in full."""
        settings = self.settings.model_dump(mode="json")
        return {
            **settings,
            "model": self.model.name,
            "trials": len(self.trials()),
            "recipe": self.model.recipe().content(),
        }

    def _grid(self) -> list[dict[str, Any]]:
        # every key has points: checked with the settings
        lists = {key: self.settings.space[key].points() or [] for key in sorted(self.settings.space)}
        return [dict(zip(lists, point, strict=True)) for point in itertools.product(*lists.values())]


def put_values(content: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    """Return a copy of a resolved model with values at dotted keys; outer keys and methods go in before inner ones.

    A plugin whose ``method`` changes loses its other settings, for they belong to the old method.

    Raises:
        InputError: a key leads nowhere.
    """
    changed = copy.deepcopy(content)
    for key in sorted(values, key=lambda key: (key.count("."), not key.endswith(".method"))):
        *path, last = key.split(".")
        place: Any = changed
        try:
            for part in path:
                place = place[int(part)] if isinstance(place, list) else place.setdefault(part, {})
            if last == "method" and place.get("method") != values[key]:
                place.clear()
            place[int(last) if isinstance(place, list) else last] = copy.deepcopy(values[key])
        except (AttributeError, IndexError, TypeError, ValueError):
            raise InputError(f"{key}: there is no such place in the model; name a key or a list's position") from None
    return changed


def vary_model(model: Model, values: dict[str, Any]) -> Model:
    """Return the model with values at dotted keys.

    Raises:
        InputError: a key leads nowhere, or the model does not take a value.
    """
    try:
        return Model.model_validate(put_values(model.model_dump(mode="json"), values))
    except ValidationError as error:
        raise ConfigurationError(from_validation(error, Model, "model")) from None


def load_studies(
    entries: dict[str, StudySettings], load: Callable[[str | dict[str, Any]], Model], file: str, found: list[Problem]
) -> dict[str, Study]:
    """Load the model of each study and try each value; problems are added to those found."""
    studies: dict[str, Study] = {}
    for name, settings in entries.items():
        try:
            model = load(settings.model)
        except ConfigurationError as error:
            found.extend(error.problems)
            continue
        if model.pretraining is not None:
            message = "a study cannot pre-train; take the encoder.safetensors of a run as architecture.pretrained"
            found.append(Problem(file, f"studies.{name}.model", message, model.name))
        variants = [model]
        for key, searched in settings.space.items():
            for value in searched.extremes():
                place = f"studies.{name}.space.{key}"
                messages = list(_try_value(model, key, value, variants))
                found.extend(Problem(file, place, message, value) for message in messages)
        studies[name] = Study(name, settings, model, variants)
    return studies


def _try_value(model: Model, key: str, value: Any, variants: list[Model]) -> Iterator[str]:
    if key.split(".")[0] in _NO_EFFECT:
        yield "has no part in a trial's training or score; remove it"
        return
    try:
        variant = vary_model(model, {key: value})
    except ConfigurationError as error:
        for problem in error.problems:
            yield problem.message if problem.key == key else f"{problem.key}: {problem.message}"
    except InputError as error:
        yield str(error).removeprefix(f"{key}: ")
    else:
        variants.append(variant)
        if variant.training.monitor != model.training.monitor:
            yield "trials need one measure to be compared by; set training.monitor in the model"
        elif model.training.monitor == "validation_loss" and _loss(variant) != _loss(model):
            yield "changes what the validation loss means; set training.monitor: validation_mean_iou in the model"


def _loss(model: Model) -> tuple[Any, ...]:
    return model.loss, model.weighting, model.training.class_weights
