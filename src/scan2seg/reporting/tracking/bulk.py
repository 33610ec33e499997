"""A whole run written into MLflow's SQLite tables at once, several times faster than by its interface.

MLflow's own way takes some 40 queries a run. It is taken wherever the tables are not the ones known here.
"""

import sqlite3
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from scan2seg.documents import Json
from scan2seg.reporting.tracking.record import DatasetUse, Point, Record

_METRIC = ("key", "value", "timestamp", "run_uuid", "step", "is_nan")
COLUMNS = {
    "runs": (
        "run_uuid", "name", "source_type", "source_name", "entry_point_name", "user_id", "status", "start_time",
        "end_time", "source_version", "lifecycle_stage", "artifact_uri", "experiment_id", "deleted_time",
    ),
    "tags": ("key", "value", "run_uuid"),
    "params": ("key", "value", "run_uuid"),
    "metrics": _METRIC,
    "latest_metrics": _METRIC,
    "datasets": (
        "dataset_uuid", "experiment_id", "name", "digest", "dataset_source_type", "dataset_source", "dataset_schema",
        "dataset_profile",
    ),
    "inputs": ("input_uuid", "source_type", "source_id", "destination_type", "destination_id", "step"),
    "input_tags": ("input_uuid", "name", "value"),
    "logged_models": (
        "model_id", "experiment_id", "name", "artifact_location", "creation_timestamp_ms", "last_updated_timestamp_ms",
        "status", "lifecycle_stage", "model_type", "source_run_id", "status_message",
    ),
    "logged_model_tags": ("model_id", "experiment_id", "tag_key", "tag_value"),
}  # fmt: skip
"""The tables of MLflow that are written, and all their columns."""
READY = 2
"""MLflow's number for a model that is complete."""


@dataclass(frozen=True)
class NewRun:
    """A run that is not in the database yet: its ids, and the address below which all artifacts lie."""

    experiment: str
    artifacts: str
    run: str
    model: str | None
    tags: dict[str, str]

    @property
    def place(self) -> str:
        """The address of its artifacts."""
        return f"{self.artifacts}/{self.run}/artifacts"

    @property
    def model_place(self) -> str:
        """The address of its model's artifacts."""
        return f"{self.artifacts}/models/{self.model}/artifacts"


def is_known(database: Path) -> bool:
    """Tell whether the tables of a database are the ones that can be written here."""
    with closing(sqlite3.connect(database)) as connection:
        return all(
            {str(row[1]) for row in connection.execute(f"pragma table_info({table})")} == set(columns)
            for table, columns in COLUMNS.items()
        )


def write_run(database: Path, new: NewRun, record: Record) -> None:
    """Write a finished run with its values, its dataset and its model: all of it or nothing.

    Args:
        database: MLflow's, which nothing else writes to at this moment.
        new: its ids; its artifacts are there.
        record: what is written.
    """
    with closing(sqlite3.connect(database)) as connection, connection:
        # a working copy need not outlive a crash
        connection.execute("pragma synchronous = off")
        connection.execute("pragma journal_mode = memory")
        known = _find_dataset(connection, new, record.dataset) if record.dataset else None
        rows = {
            "runs": [_run(new, record)],
            "tags": [{"key": key, "value": value, "run_uuid": new.run} for key, value in new.tags.items()],
            "params": [{"key": key, "value": value, "run_uuid": new.run} for key, value in record.parameters.items()],
            "metrics": [_point(point, new.run) for point in record.points],
            "latest_metrics": [_point(point, new.run) for point in _latest(record.points)],
        }
        for table, found in [*rows.items(), *_dataset_rows(new, record.dataset, known), *_model_rows(new, record)]:
            columns = COLUMNS[table]
            marks = ", ".join("?" * len(columns))
            words = f"insert or ignore into {table} ({', '.join(columns)}) values ({marks})"
            connection.executemany(words, [[row.get(column) for column in columns] for row in found])


def _run(new: NewRun, record: Record) -> Json:
    row = {"run_uuid": new.run, "name": record.name, "source_type": "UNKNOWN", "source_name": "", "user_id": "unknown"}
    row |= {"entry_point_name": "", "source_version": "", "status": "FINISHED", "lifecycle_stage": "active"}
    times: Json = {"start_time": record.started, "end_time": record.ended}
    return row | times | {"artifact_uri": new.place, "experiment_id": int(new.experiment)}


def _point(point: Point, run: str) -> Json:
    shown = {"key": point.name, "value": point.value, "timestamp": point.time, "step": point.step}
    return {**shown, "run_uuid": run, "is_nan": 0}


def _latest(points: Sequence[Point]) -> list[Point]:
    """Return the point of each metric that MLflow shows as its value: of the last step."""
    found: dict[str, Point] = {}
    for point in points:
        known = found.get(point.name)
        if known is None or (point.step, point.time, point.value) > (known.step, known.time, known.value):
            found[point.name] = point
    return list(found.values())


def _find_dataset(connection: sqlite3.Connection, new: NewRun, use: DatasetUse) -> str | None:
    query = "select dataset_uuid from datasets where experiment_id = ? and name = ? and digest = ?"
    row = connection.execute(query, (int(new.experiment), use.name, use.digest)).fetchone()
    return str(row[0]) if row else None


def _dataset_rows(new: NewRun, use: DatasetUse | None, known: str | None) -> Iterator[tuple[str, list[Json]]]:
    if use is None:
        return
    dataset, link = known or uuid.uuid4().hex, uuid.uuid4().hex
    if known is None:
        row = {"dataset_uuid": dataset, "experiment_id": int(new.experiment), "name": use.name, "digest": use.digest}
        row |= {"dataset_source_type": use.KIND, "dataset_source": use.described_source()}
        yield "datasets", [row | {"dataset_profile": use.profile()}]
    row = {"input_uuid": link, "source_type": "DATASET", "source_id": dataset, "step": 0}
    yield "inputs", [row | {"destination_type": "RUN", "destination_id": new.run}]
    yield "input_tags", [{"input_uuid": link, "name": key, "value": value} for key, value in use.tags().items()]


def _model_rows(new: NewRun, record: Record) -> Iterator[tuple[str, list[Json]]]:
    if record.model is None:
        return
    use, now = record.model, round(1000 * time.time())
    row: Json = {"model_id": new.model, "experiment_id": int(new.experiment), "name": use.name(), "status": READY}
    row |= {"artifact_location": new.model_place, "creation_timestamp_ms": now, "last_updated_timestamp_ms": now}
    row |= {"lifecycle_stage": "active", "model_type": use.KIND, "source_run_id": new.run}
    yield "logged_models", [row]
    named = {"model_id": new.model, "experiment_id": int(new.experiment)}
    yield "logged_model_tags", [{**named, "tag_key": key, "tag_value": value} for key, value in use.tags().items()]
    link = {"input_uuid": uuid.uuid4().hex, "source_type": "RUN_OUTPUT", "source_id": new.run, "step": 0}
    yield "inputs", [link | {"destination_type": "MODEL_OUTPUT", "destination_id": new.model}]
