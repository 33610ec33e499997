"""The models of a dataset put in order, with their uncertainty: the one ranking that tables, report and stages read."""

import itertools
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scan2seg.evaluation import statistics
from scan2seg.evaluation.runs import Run, check_same_images, choose_replicate
from scan2seg.evaluation.units import Units, choose_units


@dataclass(frozen=True)
class Difference:
    """How far a model is ahead of another in mean IoU; interval and p are None where there are too few units."""

    value: float
    interval: statistics.Interval | None
    p_value: float | None


@dataclass(frozen=True)
class Ranked:
    """One model on one dataset, over its replicates; quantities that are unknown are None."""

    dataset: str
    model: str
    runs: list[Run]
    units: Units
    values: list[float]
    mean: float | None
    spread: float | None
    interval: statistics.Interval | None
    draws: NDArray[np.float64] | None = field(repr=False)
    against: Difference | None = None
    p_holm: float | None = None

    @property
    def images(self) -> int:
        """How many images were scored."""
        return len(self.runs[0].images.index)

    @property
    def chosen(self) -> Run:
        """The replicate to use: the best on the validation images."""
        return choose_replicate(self.runs)

    @property
    def stray(self) -> dict[str, float]:
        """The pixels, mean over the replicates, of each class that is predicted and that the truth lacks."""
        found: dict[str, float] = {}
        for run in self.runs:
            for name, pixels in run.metrics["stray_pixels"].items():
                found[name] = found.get(name, 0.0) + pixels / len(self.runs)
        return found

    @property
    def counts(self) -> NDArray[np.float64]:
        """The counts of each replicate and unit, (replicates, units, 3, classes)."""
        return np.stack([self.units.sum(run.images.counts) for run in self.runs])

    def average(self, read: Callable[[Run], Any]) -> float | None:
        """Return the mean over the replicates of a number, leaving out unknown ones."""
        values = [read(run) for run in self.runs]
        known = [float(value) for value in values if value is not None]
        return float(np.mean(known)) if known else None

    def class_iou(self, name: str) -> float | None:
        """Return the mean over the replicates of the IoU of a class or a union of classes."""
        return self.average(lambda run: (run.metrics["classes"] | run.unions).get(name, {}).get("iou"))


def rank(runs: Iterable[Run], reference: str | None) -> dict[str, list[Ranked]]:
    """Rank the models of every dataset by mean IoU, best first, and test each against the reference model.

    A model's mean IoU is the mean over its replicates, whatever the best of them is on the test images. The classes are
    those of the truth, the same for all. Intervals are a bootstrap over the units of the dataset, p is a swap test over
    them, with Holm's correction over the models of the dataset.

    Raises:
        InputError: runs of one dataset were scored on unlike images.
    """
    groups: dict[str, dict[str, list[Run]]] = {}
    for run in runs:
        groups.setdefault(run.dataset, {}).setdefault(run.model, []).append(run)
    return {dataset: _rank_dataset(dataset, models, reference) for dataset, models in groups.items()}


def compare(row: Ranked, base: Ranked) -> Difference | None:
    """Return how far a model is ahead of another on the same images; None where a score is unknown."""
    if row.mean is None or base.mean is None:
        return None
    interval = None
    if row.draws is not None and base.draws is not None:
        interval = statistics.percentile_interval(row.draws - base.draws)
    return Difference(row.mean - base.mean, interval, statistics.swap_test(row.counts, base.counts))


def _rank_dataset(dataset: str, models: dict[str, list[Run]], reference: str | None) -> list[Ranked]:
    runs = [run for replicates in models.values() for run in replicates]
    check_same_images(runs)
    units = choose_units(runs[0].images.groups, _series(models))
    ranked = [_summarise(dataset, model, replicates, units) for model, replicates in models.items()]
    base = next((row for row in ranked if row.model == reference), None)
    if base is not None:
        ranked = [replace(row, against=compare(row, base)) if row is not base else row for row in ranked]
        corrected = statistics.holm([row.against.p_value if row.against else None for row in ranked])
        ranked = [replace(row, p_holm=value) for row, value in zip(ranked, corrected, strict=True)]
    # of equals the first by name: whoever ranks the same runs, in whatever order, finds the same
    return sorted(ranked, key=lambda row: (math.inf if row.mean is None else -row.mean, row.model))


def _series(models: dict[str, list[Run]]) -> list[NDArray[np.float64]]:
    """Return the scores of the images, mean over replicates, of each model, and their differences between two."""
    scores = [np.mean([run.images.scores for run in replicates], axis=0) for replicates in models.values()]
    return [*scores, *(one - other for one, other in itertools.combinations(scores, 2))]


def _summarise(dataset: str, model: str, runs: list[Run], units: Units) -> Ranked:
    runs = sorted(runs, key=lambda run: run.replicate)
    values = [run.metrics["mean_iou"] for run in runs if run.metrics["mean_iou"] is not None]
    draws = _draws(runs, units) if units.enough else None
    return Ranked(
        dataset=dataset,
        model=model,
        runs=runs,
        units=units,
        values=values,
        mean=float(np.mean(values)) if values else None,
        spread=float(np.std(values, ddof=1)) if len(values) > 1 else None,
        interval=statistics.percentile_interval(draws) if draws is not None else None,
        draws=draws,
    )


def _draws(runs: list[Run], units: Units) -> NDArray[np.float64]:
    drawn = [statistics.resampled_mean_iou(units.sum(run.images.counts)) for run in runs]
    return np.asarray(np.mean(drawn, axis=0))
