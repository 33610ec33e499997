"""One experiment in MLflow and what is written to it: every run in few requests, and only where something changed."""

import json
import logging as standard_logging
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from scan2seg.errors import InputError
from scan2seg.reporting.tracking.bulk import NewRun, is_known, write_run
from scan2seg.reporting.tracking.models import KEY, delete_models, local_path, log_model, write_model
from scan2seg.reporting.tracking.record import DatasetUse, Record
from scan2seg.reporting.tracking.store import Store

CONTENT, PARENT = "scan2seg.content", "mlflow.parentRunId"
LOGGED, NOTE, RUN_NAME = "mlflow.loggedArtifacts", "mlflow.note.content", "mlflow.runName"
MOST_METRICS, MOST_PARAMETERS = 900, 100
"""Of one request; MLflow's limits are 1000 of everything together, and 100 parameters."""


def quieten() -> None:
    """Keep mlflow from reporting home, from retrying for minutes, and from chatting about its database."""
    defaults = {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        "GIT_PYTHON_REFRESH": "quiet",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        "MLFLOW_UV_AUTO_DETECT": "false",
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    }
    for name, value in defaults.items():
        os.environ.setdefault(name, value)
    import mlflow  # noqa: F401 (its import sets its loggers up, so they are silenced after it)

    for name in ("mlflow", "alembic", "urllib3"):
        standard_logging.getLogger(name).setLevel(standard_logging.ERROR)


@dataclass
class Target:
    """One experiment in MLflow and what can be done to it."""

    store: Store
    experiment: str
    existing: dict[str, list[Any]] = field(default_factory=dict)
    """The runs that were imported before, by their key."""

    @property
    def client(self) -> Any:
        """MLflow's client."""
        return self.store.client

    @property
    def local(self) -> bool:
        """Whether the artifacts lie in the results folder."""
        return self.store.database is not None

    @cached_property
    def tables_known(self) -> bool:
        """Whether runs can be written into the tables of the local database."""
        return self.store.database is not None and is_known(self.store.database)

    @classmethod
    def open(cls, store: Store, name: str) -> "Target":
        """Find the experiment, or create it.

        Raises:
            InputError: it was deleted in MLflow.
        """
        found = store.client.get_experiment_by_name(name)
        if found is None:
            return cls(store, str(store.client.create_experiment(name, artifact_location=store.artifacts)))
        if found.lifecycle_stage != "active":
            raise InputError(f"MLflow: the experiment '{name}' was deleted there; restore it or delete it for good")
        target = cls(store, str(found.experiment_id))
        for run in target._search():
            if KEY in run.data.tags:
                target.existing.setdefault(run.data.tags[KEY], []).append(run)
        return target

    def put(self, record: Record, parent: str | None) -> tuple[str, str | None]:
        """Return the id of the run of a record and of its model; the run is made or replaced unless it is the same."""
        content = record.fingerprint()
        existing = self.existing.get(record.key, [])
        current = next((run for run in existing if _is_finished(run) and run.data.tags.get(CONTENT) == content), None)
        for run in existing:
            if run is not current:
                self._delete(run)
        if current is not None:
            identity = str(current.info.run_id)
            if parent and current.data.tags.get(PARENT) != parent:
                self.client.set_tag(identity, PARENT, parent)
            outputs = current.outputs.model_outputs if current.outputs else []
            return identity, str(outputs[0].model_id) if outputs else None
        return self._make(record, parent, content)

    def remove_others(self, keys: Iterable[str]) -> None:
        """Delete imported runs of models that the experiment no longer has."""
        for key in set(self.existing) - set(keys):
            for run in self.existing[key]:
                self._delete(run)

    def _make(self, record: Record, parent: str | None, content: str) -> tuple[str, str | None]:
        tags = {KEY: record.key, CONTENT: content, "mlflow.source.name": "scan2seg"}
        tags |= {PARENT: parent} if parent else {}
        tags |= {LOGGED: _name_tables(record)} if record.tables else {}
        tags |= {NOTE: record.description} if record.description else {}
        if self.tables_known and self.store.database is not None:
            return self._make_at_once(record, tags, self.store.database)
        run = self.client.create_run(self.experiment, start_time=record.started, tags=tags, run_name=record.name)
        identity = str(run.info.run_id)
        model = None
        try:
            self._log_values(identity, record)
            if record.dataset:
                self.client.log_inputs(identity, [_dataset_input(record.dataset)])
            self._log_files(run, record)
            if record.model:
                model = log_model(self.client, self.experiment, identity, record.model, self.local)
            # comes last: a run that was cut short is not finished, and is replaced by the next import
            self.client.set_terminated(identity, "FINISHED", record.ended)
        except BaseException:
            with suppress(Exception):
                self._delete(self.client.get_run(identity))
            raise
        return identity, model

    def _make_at_once(self, record: Record, tags: dict[str, str], database: Path) -> tuple[str, str | None]:
        """Write the artifacts, then everything else; without the latter the former are removed with the store."""
        model = f"m-{uuid.uuid4().hex}" if record.model else None
        new = NewRun(
            self.experiment, str(self.store.artifacts), uuid.uuid4().hex, model, {**tags, RUN_NAME: record.name}
        )
        _write_files(record, local_path(new.place))
        if record.model and model:
            write_model(local_path(new.model_place), record.model, new.run, model)
        write_run(database, new, record)
        return new.run, model

    def _log_values(self, identity: str, record: Record) -> None:
        from mlflow.entities import Metric, Param

        parameters = [Param(key, value) for key, value in record.parameters.items()]
        points = [Metric(point.name, point.value, point.time, point.step) for point in record.points]
        while parameters or points:
            self.client.log_batch(identity, metrics=points[:MOST_METRICS], params=parameters[:MOST_PARAMETERS])
            parameters, points = parameters[MOST_PARAMETERS:], points[MOST_METRICS:]

    def _log_files(self, run: Any, record: Record) -> None:
        if self.local:
            _write_files(record, local_path(run.info.artifact_uri))
            return
        with tempfile.TemporaryDirectory() as scratch:
            _write_files(record, Path(scratch))
            self.client.log_artifacts(run.info.run_id, scratch)

    def _search(self) -> list[Any]:
        found: list[Any] = []
        token = None
        while True:
            page = self.client.search_runs([self.experiment], page_token=token)
            found += page
            token = page.token
            if not token:
                return found

    def _delete(self, run: Any) -> None:
        # artifacts are the store's to remove
        delete_models(self.client, run)
        self.client.delete_run(run.info.run_id)


def _write_files(record: Record, folder: Path) -> None:
    for name, content in (record.attached() | record.draw()).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, Path):
            shutil.copyfile(content, path)
        else:
            path.write_bytes(content)


def _is_finished(run: Any) -> bool:
    return bool(run.info.status == "FINISHED")


def _name_tables(record: Record) -> str:
    """Return the tag by which MLflow's pages know which files are tables."""
    return json.dumps([{"path": f"{name}.json", "type": "table"} for name in record.tables])


def _dataset_input(use: DatasetUse) -> Any:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    dataset = Dataset(use.name, use.digest, use.KIND, use.described_source(), profile=use.profile())
    return DatasetInput(dataset, [InputTag(key, value) for key, value in use.tags().items()])
