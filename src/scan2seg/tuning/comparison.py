"""The trials of a study side by side, and the model file of the best one."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import yaml

from scan2seg.config.model import Model
from scan2seg.config.study import vary_model
from scan2seg.documents import Json
from scan2seg.errors import InputError
from scan2seg.logging import info
from scan2seg.replacement import replacing
from scan2seg.storage import read_json

COLUMNS = ("dataset", "study", "number", "trial", "state", "score", "best_epoch", "epochs", "seconds", "reason")
"""Columns of study.csv before those of the searched keys."""


def compare_trials(trials: Sequence[Path], table: Path, best: Path, model: Model) -> None:
    """Write study.csv, a row a trial, and the complete model file of the best one, named after the study.

    Args:
        trials: trial.json of every trial, in the order of their numbers.
        table: study.csv to write; texts and numbers are as they are, other values as JSON.
        best: the YAML file to write.
        model: the base model.

    Raises:
        InputError: every trial failed.
    """
    results = [read_json(path) for path in trials]
    finished = [(number, result) for number, result in enumerate(results) if result["score"] is not None]
    if not finished:
        advice = f"mend it, remove {trials[0].parent.parent} and run again"
        raise InputError(
            f"every trial failed; the first one: {results[0]['reason']}. If no value is to blame, {advice}"
        )
    _write_table(table, results)
    sign = 1 if results[0]["monitor"] == "validation_mean_iou" else -1
    number, winner = max(finished, key=lambda pair: sign * pair[1]["score"])
    _write_model(best, model, winner, f"trial {number} of {len(results)}, {len(finished)} of which finished")
    info("best of %d: trial %d with %s", len(results), number, winner["values"])


def _write_table(path: Path, results: list[Json]) -> None:
    keys = list(results[0]["values"])
    with replacing(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*COLUMNS, *keys])
        for number, result in enumerate(results):
            facts = {**result, "number": number}
            values = [result["values"][key] for key in keys]
            shown = [value if isinstance(value, str) else json.dumps(value) for value in values]
            writer.writerow([*(facts.get(name) for name in COLUMNS), *shown])


def _write_model(path: Path, model: Model, winner: Json, place: str) -> None:
    content = vary_model(model, winner["values"]).model_dump(mode="json")
    measure = (
        f"{winner['monitor'].replace('_', ' ').replace('iou', 'IoU')} {winner['score']:.4f} on {winner['dataset']}"
    )
    words = {"name": winner["study"], "description": f"Best of a study of {model.name}: {measure}, {place}"}
    with replacing(path) as partial:
        partial.write_text(yaml.safe_dump({**content, **words}, sort_keys=False, allow_unicode=True), "utf-8")
