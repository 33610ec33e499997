"""One trial of a study: draw values, train with them, keep the score and nothing large."""

import csv
import math
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scan2seg.checkpoint import load_checkpoint
from scan2seg.config.model import Model
from scan2seg.config.patching import PatchingSettings
from scan2seg.config.study import TrialSettings
from scan2seg.device import choose_device
from scan2seg.documents import Json
from scan2seg.errors import InputError
from scan2seg.evaluation.confusion import confusion_matrix, overlap_counts
from scan2seg.evaluation.metrics import mean_iou
from scan2seg.logging import info, warn
from scan2seg.patches import extract_patches
from scan2seg.provenance import fingerprint, record
from scan2seg.storage import open_store, read_json, write_json
from scan2seg.training.data import BatchLoader, open_patches
from scan2seg.training.job import TrainingJob
from scan2seg.training.train import train_model
from scan2seg.tuning.sampling import draw_values


def tune_model(
    data: Path,
    split: Path,
    output: Path,
    settings: TrialSettings,
    *,
    earlier: Sequence[Path] = (),
    identity: Mapping[str, str] | None = None,
    threads: int = 1,
) -> None:
    """Run one trial and write trial.json: values, state, score, epochs, seconds, reason of a failure, history.

    The score is the monitored value of the best epoch on the validation patches; the test images have no part in it.
    The training works in ``training`` beside the output, from where a killed trial goes on; it is removed at the end.

    Args:
        data: the patch store; with ``own_patches`` the stack, from which the trial cuts its own.
        split: split.json.
        output: trial.json.
        settings: of the trial.
        earlier: trial.json of the trials to learn from, in their order.
        identity: names that go into the result.
        threads: processor cores.

    Raises:
        InputError: no validation images, no such device, or a full disk. Anything else that is wrong with the drawn
            values makes a failed trial.
    """
    if not read_json(split)["validation"]:
        raise InputError(f"{split}: a study needs validation images; raise split.fractions.validation of the dataset")
    training = settings.recipe.training
    maximise = training.monitor == "validation_mean_iou"
    values = draw_values(settings, maximise, [read_json(path) for path in earlier])
    info("values %s", ", ".join(f"{key}: {value}" for key, value in values.items()))
    choose_device(training.device)
    scratch, started = output.parent / "training", time.monotonic()
    result: Json = {**(identity or {}), "values": values, "monitor": training.monitor}
    result |= {"state": "failed", "score": None, "best_epoch": None, "epochs": None, "reason": None, "history": []}
    try:
        result |= _train(data, split, scratch, settings.vary(values), settings, threads)
    except InputError as error:
        if isinstance(error.__context__, OSError):  # a full disk or a lost file is not the fault of the values
            raise
        warn("the trial failed: %s", error)
        result |= {"reason": str(error), "seconds": time.monotonic() - started}
    write_json(output, {**result, "provenance": record({"job": settings.content()}, [data, split, *earlier])})
    shutil.rmtree(scratch, ignore_errors=True)


def _train(data: Path, split: Path, scratch: Path, model: Model, settings: TrialSettings, threads: int) -> Json:
    """Train in the scratch folder; return score and costs."""
    patches = _cut_patches(data, split, scratch, model.patching) if settings.own_patches else data
    replicate = f"seed{settings.seed}"
    train_model(
        TrainingJob(
            patches=patches, split=split, output=scratch, recipe=model.recipe(), replicate=replicate, threads=threads
        )
    )
    return _read_training(scratch, patches, split, model.training.monitor)


def _cut_patches(stack: Path, split: Path, scratch: Path, settings: PatchingSettings) -> Path:
    """Cut the trial's own patches, or take those that a killed run of it left."""
    made: Any = open_store(stack).attrs["provenance"]
    name = fingerprint([settings.model_dump(mode="json"), made["created"], read_json(split)])
    patches = scratch / f"patches-{name}.zarr"
    if not patches.exists():
        extract_patches(stack, split, patches, settings)
    return patches


def _read_training(scratch: Path, patches: Path, split: Path, monitor: str) -> Json:
    """Return score and costs of a finished training."""
    facts = read_json(scratch / "training.json")
    with (scratch / "history.csv").open(newline="", encoding="utf-8") as file:
        rows = [{name: _number(text) for name, text in row.items()} for row in csv.DictReader(file)]
    if rows:
        score = next(row[monitor] for row in rows if row["epoch"] == facts["best_epoch"])
    elif monitor == "validation_mean_iou":
        score = score_checkpoint(scratch / "checkpoint.pt", patches, split)
    else:
        raise InputError("training.monitor: a classical model has no loss; set validation_mean_iou")
    if score is None:
        raise InputError(f"the best epoch's {monitor} is not a number")
    costs = {"best_epoch": facts["best_epoch"], "epochs": facts["epochs"], "seconds": facts["wall_seconds"]}
    return {**costs, "state": "finished", "score": score, "history": rows}


def score_checkpoint(checkpoint: Path, patches: Path, split: Path) -> float:
    """Return the mean IoU of a model on the validation patches: for classical models, which have no epochs."""
    model, _ = load_checkpoint(checkpoint)
    data = open_patches(patches, split, None, "cpu")
    data.per_image = model.normalisation.per_image
    counts = np.zeros((model.classes, model.classes), np.int64)
    for images, labels, _, _ in BatchLoader(data, data.validation, 64):
        counts += confusion_matrix(labels.numpy(), model(images).argmax(1).numpy(), model.classes)
    return float(mean_iou(overlap_counts(counts)))


def _number(text: str | None) -> float | None:
    value = float(text) if text else math.nan
    return value if math.isfinite(value) else None
