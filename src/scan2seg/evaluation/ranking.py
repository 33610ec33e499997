"""The runs of an experiment read back, and the models of a dataset put in order with their uncertainty."""

import csv
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scan2seg import storage
from scan2seg.errors import InputError
from scan2seg.evaluation import statistics
from scan2seg.evaluation.metrics import mean_iou

Json = dict[str, Any]


@dataclass(frozen=True)
class Images:
    """Per-image counts of one run: indices (n,) into the stack, names, pixels (n, classes), and mean IoU (n,)."""

    index: NDArray[np.int64]
    names: list[str]
    intersections: NDArray[np.int64]
    unions: NDArray[np.int64]
    scores: NDArray[np.float64]


@dataclass(frozen=True)
class Run:
    """One model trained once: its metrics, what it cost, and its images; training and timing are empty if unknown."""

    metrics: Json
    training: Json
    timing: Json
    images: Images

    @property
    def dataset(self) -> str:
        """The name of the dataset."""
        return str(self.metrics["dataset"])

    @property
    def model(self) -> str:
        """The name of the model."""
        return str(self.metrics["model"])

    @property
    def replicate(self) -> str:
        """The name of the replicate."""
        return str(self.metrics["replicate"])


@dataclass(frozen=True)
class Ranked:
    """One model on one dataset, over its replicates; quantities that are unknown are None."""

    dataset: str
    model: str
    runs: list[Run]
    values: list[float]
    mean: float | None
    spread: float | None
    interval: statistics.Interval | None
    draws: NDArray[np.float64] | None = field(repr=False)
    images: int = 0
    difference: float | None = None
    difference_interval: statistics.Interval | None = None
    p_value: float | None = None
    p_holm: float | None = None

    def average(self, read: Callable[[Run], Any]) -> float | None:
        """Return the mean over the replicates of a number, leaving out unknown ones."""
        values = [read(run) for run in self.runs]
        known = [float(value) for value in values if value is not None]
        return float(np.mean(known)) if known else None

    def class_iou(self, name: str) -> float | None:
        """Return the mean over the replicates of the IoU of a class."""
        return self.average(lambda run: run.metrics["classes"].get(name, {}).get("iou"))


def read_run(paths: Mapping[str, Any]) -> Run:
    """Read one run from its files: "metrics" and "per_image", and where there are any "training" and "timing".

    Raises:
        InputError: a file is missing or does not belong to the others.
    """
    metrics = storage.read_json(paths["metrics"])
    images = _read_images(Path(paths["per_image"]), list(metrics["classes"]))
    return Run(metrics, _optional(paths.get("training")), _optional(paths.get("timing")), images)


def rank(runs: Iterable[Run], reference: str | None) -> dict[str, list[Ranked]]:
    """Rank the models of every dataset by mean IoU, best first, and test each against the reference model.

    The interval is a bootstrap over images of the mean over replicates; the test is Wilcoxon's signed-rank test on
    the images' mean IoU, averaged over replicates, with Holm's correction over the models of the dataset.
    """
    groups: dict[str, dict[str, list[Run]]] = {}
    for run in runs:
        groups.setdefault(run.dataset, {}).setdefault(run.model, []).append(run)
    return {dataset: _rank_dataset(dataset, models, reference) for dataset, models in groups.items()}


def _rank_dataset(dataset: str, models: dict[str, list[Run]], reference: str | None) -> list[Ranked]:
    ranked = [_summarise(dataset, model, runs) for model, runs in models.items()]
    base = next((row for row in ranked if row.model == reference), None)
    if base is not None:
        ranked = [_against(row, base) if row is not base else row for row in ranked]
        corrected = statistics.holm([row.p_value for row in ranked])
        ranked = [Ranked(**{**vars(row), "p_holm": value}) for row, value in zip(ranked, corrected, strict=True)]
    return sorted(ranked, key=lambda row: -math.inf if row.mean is None else row.mean, reverse=True)


def _summarise(dataset: str, model: str, runs: list[Run]) -> Ranked:
    runs = sorted(runs, key=lambda run: run.replicate)
    values = [run.metrics["mean_iou"] for run in runs if run.metrics["mean_iou"] is not None]
    draws = _draws(runs)
    return Ranked(
        dataset=dataset,
        model=model,
        runs=runs,
        values=values,
        mean=float(np.mean(values)) if values else None,
        spread=float(np.std(values, ddof=1)) if len(values) > 1 else None,
        interval=statistics.percentile_interval(draws) if draws is not None else None,
        draws=draws,
        images=len(runs[0].images.index),
    )


def _draws(runs: list[Run]) -> NDArray[np.float64] | None:
    if any(len(run.images.index) < 2 for run in runs):
        return None
    drawn = [statistics.resampled_mean_iou(run.images.intersections, run.images.unions) for run in runs]
    return np.asarray(np.mean(drawn, axis=0))


def _against(row: Ranked, base: Ranked) -> Ranked:
    if row.mean is None or base.mean is None:
        return row
    found: Json = {"difference": row.mean - base.mean}
    mine, theirs = _mean_scores(row.runs), _mean_scores(base.runs)
    common = sorted(mine.keys() & theirs.keys())
    pair = [np.array([scores[index] for index in common]) for scores in (mine, theirs)]
    found["p_value"] = statistics.paired_test(*pair)
    if row.draws is not None and base.draws is not None and mine.keys() == theirs.keys():
        found["difference_interval"] = statistics.percentile_interval(row.draws - base.draws)
    return Ranked(**{**vars(row), **found})


def _mean_scores(runs: list[Run]) -> dict[int, float]:
    """Return the mean IoU of each image over the replicates that have it."""
    found: dict[int, list[float]] = {}
    for run in runs:
        for index, score in zip(run.images.index.tolist(), run.images.scores.tolist(), strict=True):
            found.setdefault(index, []).append(score)
    return {index: float(np.mean(scores)) for index, scores in found.items()}


def _read_images(path: Path, classes: list[str]) -> Images:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = sorted(csv.DictReader(file), key=lambda row: int(row["index"]))
        columns = [
            [[int(row[f"{kind}_{name}"]) for name in classes] for row in rows] for kind in ("intersection", "union")
        ]
        intersections, unions = (
            np.array(values, dtype=np.int64).reshape(len(rows), len(classes)) for values in columns
        )
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise InputError(f"{path}: is not a table of scores per image ({error}); score the run again") from None
    index = np.array([int(row["index"]) for row in rows], dtype=np.int64)
    return Images(index, [row["image"] for row in rows], intersections, unions, mean_iou(intersections, unions))


def _optional(path: Path | str | None) -> Json:
    return dict(storage.read_json(path)) if path and Path(path).exists() else {}
