"""The child runs: one a dataset, model and replicate."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from scan2seg import provenance, storage
from scan2seg.config.training import InferenceSettings
from scan2seg.documents import Json
from scan2seg.evaluation.costs import COSTS, cost
from scan2seg.evaluation.part_scores import COLUMNS as PART_COLUMNS
from scan2seg.evaluation.part_scores import part_score
from scan2seg.evaluation.runs import Run
from scan2seg.reporting.content import DatasetInput, ReportInputs, ReportRun
from scan2seg.reporting.tracking.matrix import draw_confusion
from scan2seg.reporting.tracking.record import DatasetUse, ModelUse, Point, Record, Table, clean_name, flatten
from scan2seg.slices import StackImages, list_volumes, read_slab

FILES = ("metrics.json", "per_image.csv", "training.json", "timing.json", "history.csv")
EXAMPLE = 32
"""Height and width of the input example of a model."""


def describe_run(run: ReportRun, inputs: ReportInputs) -> Record:
    """Return what MLflow keeps of a run: its settings, scores, curves, data, confusion matrix and model.

    Args:
        run: a scored run; ensembles and runs whose training is not known have no parameters but their names.
        inputs: the report's.
    """
    scores = run.scores
    names = {"dataset": scores.dataset, "model": scores.model, "replicate": scores.replicate}
    started, ended = find_times(scores)
    recorded = scores.training.get("provenance", {}).get("settings", {})
    points = [Point(clean_name(key), value, ended) for key, value in _numbers(scores).items()]
    entry = next((entry for entry in inputs["datasets"] if entry["name"] == scores.dataset), None)
    classes = list(scores.metrics["classes"])
    matrix = scores.metrics["confusion_matrix"]
    return Record(
        key="/".join(names.values()),
        name=scores.name,
        started=started,
        ended=ended,
        parameters=names | dict(flatten(recorded)),
        points=points + list(_curves(run, started, ended)),
        files={name: run.file(name) for name in FILES if run.file(name).exists()},
        tables={"confusion_matrix": _tabulate_matrix(matrix, classes)},
        pictures={"confusion_matrix.png": partial(draw_confusion, np.asarray(matrix), classes)},
        dataset=_describe_dataset(entry) if entry and entry["stack"] else None,
        model=_describe_model(run, entry, inputs.get("inference") or {}),
    )


def find_times(run: Run) -> tuple[int, int]:
    """Return when a training started and ended, in ms since 1970; what has none ends when it was scored."""
    made = run.training.get("provenance") or run.metrics.get("provenance") or {}
    ended = datetime.fromisoformat(made["created"]).timestamp() if "created" in made else 0.0
    return round(1000 * (ended - float(cost(run, "training_seconds") or 0))), round(1000 * ended)


def _numbers(run: Run) -> dict[str, float]:
    """Return the numbers of a run that are known, under the names of ``scores.csv``."""
    found = {key: run.metrics[key] for key in ("mean_iou", "mean_dice", "pixel_accuracy")}
    found |= {f"mean_image_{key}": value for key, value in run.metrics["mean_image"].items()}
    found |= {f"iou_{name}": scores["iou"] for name, scores in run.metrics["classes"].items()}
    found |= {name: part_score(run, *pair) for name, pair in PART_COLUMNS.items()}
    found |= {name: cost(run, name) for name in COSTS}
    return {key: float(value) for key, value in found.items() if isinstance(value, (int, float))}


def _curves(run: ReportRun, started: int, ended: int) -> Iterator[Point]:
    """Yield the training curves, each epoch at the time at which it ended."""
    epochs, seconds = run.history.curve("seconds")
    passed = dict(zip(epochs, np.cumsum(seconds), strict=True))
    for name in run.history.columns:
        if name != "epoch":
            for epoch, value in zip(*run.history.curve(name), strict=True):
                time = min(started + round(1000 * float(passed.get(epoch, np.inf))), ended) if passed else ended
                yield Point(clean_name(f"history_{name}"), value, time, int(epoch))


def _tabulate_matrix(matrix: list[list[int]], classes: list[str]) -> Table:
    rows = [[name, *row] for name, row in zip(classes, matrix, strict=True)]
    return Table(["truth", *(f"predicted {name}" for name in classes)], rows)


def _describe_dataset(entry: DatasetInput) -> DatasetUse:
    stack, split = entry["stack"], entry["split"]
    assert stack is not None
    return _read_dataset(entry["name"], stack, split)


@cache
def _read_dataset(name: str, stack: Path, split: Path | None) -> DatasetUse:
    digest = provenance.fingerprint([provenance.fingerprint_file(path) for path in (stack, split) if path])
    images = len(storage.open_store(stack).attrs["names"])  # type: ignore[arg-type]
    folder = stack.parent.name
    return DatasetUse(name, folder, digest, f"{stack.parent.parent.name}/{folder}/{stack.name}", images)


def _describe_model(
    run: ReportRun, entry: DatasetInput | None, inference: Mapping[str, InferenceSettings]
) -> ModelUse | None:
    """Return the trained model of a run; None for ensembles, and where the stack or the recipe is not known."""
    scores, checkpoint = run.scores, run.folder / "checkpoint.pt"
    recipe = scores.training.get("provenance", {}).get("settings", {}).get("recipe")
    if not checkpoint.exists() or entry is None or entry["stack"] is None or recipe is None:
        return None
    patching = recipe["patching"]
    example = _read_example(entry["stack"], int(patching.get("neighbours") or 0), patching.get("depth"))
    return ModelUse(
        (scores.dataset, scores.model, scores.replicate),
        checkpoint,
        _read_inference(run, inference),
        list(scores.metrics["classes"]),
        example,
    )


def _read_inference(run: ReportRun, inference: Mapping[str, InferenceSettings]) -> Json:
    """Return the inference settings that the prediction was made with, else those of the recipe."""
    if run.prediction is not None:
        made: Any = storage.open_store(run.prediction).attrs.get("provenance", {})
        if found := made.get("settings", {}).get("inference"):
            return dict(found)
    settings = inference.get(run.scores.model)
    return settings.model_dump(mode="json") if settings else {}


@cache
def _read_example(stack: Path, neighbours: int, depth: int | None) -> Any:
    """Return a corner of the first image, (1, c, y, x), or of the first slices, (1, c, z, y, x), as float32."""
    store = storage.open_store(stack)
    volume = list_volumes(store)[0]
    first = range(volume.start, min(volume.start + (min(depth, 4) if depth else 1), volume.stop))
    corner = read_slab(StackImages(store), first, neighbours, volume)[..., :EXAMPLE, :EXAMPLE]
    return (corner if depth else corner[:, 0])[None]
