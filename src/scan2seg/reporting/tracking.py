"""The stage ``log_to_mlflow``: the results of an experiment imported into MLflow, again and again without duplicates.

This module and ``tracking_store`` alone import mlflow. Every imported run carries two tags: what it is, and a hash of
what was imported. A run whose hash is the same stays as it is; one whose hash differs is replaced.
"""

import hashlib
import logging as standard_logging
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scan2seg import logging, provenance, storage
from scan2seg.errors import InputError
from scan2seg.evaluation.comparison import COSTS, cost
from scan2seg.evaluation.runs import Run
from scan2seg.reporting.content import ReportRun, load_runs
from scan2seg.reporting.tracking_store import open_tracking
from scan2seg.secrets import hide_credentials

Json = dict[str, Any]
KEY, CONTENT, PARENT = "scan2seg.key", "scan2seg.content", "mlflow.parentRunId"
FILES = ("metrics.json", "per_image.csv", "training.json", "timing.json", "history.csv")
LONGEST_PARAMETER = 6000
MOST_METRICS, MOST_PARAMETERS = 1000, 100
"""MLflow's limits: characters of a parameter, metrics and parameters of one request."""


def log_to_mlflow(
    experiment: str,
    runs: list[dict[str, Any]],
    report: Path,
    tables: Path,
    figures: Path,
    uri: str | None,
    marker: Path,
) -> None:
    """Import an experiment: a parent run with report, tables and figures, a child run a dataset, model and replicate.

    Args:
        experiment: the name of the experiment in MLflow.
        runs: "dataset", "model", "replicate" and the folder "run" of each, as for ``render_report``; "settings",
            where given, are its parameters, else those that ``training.json`` records.
        report: the HTML file.
        tables: the Markdown file.
        figures: the folder of PNG files.
        uri: the address of a tracking server; None for the SQLite file ``mlflow.db`` beside the marker with its
            artifacts in ``mlartifacts``. Without an address no network is used. A user and password in it reach the
            server alone: no file, no message.
        marker: the JSON file to write: the ids of the parent run and of every run.

    Raises:
        InputError: the server cannot be reached or refuses.
    """
    _quieten()
    from mlflow.exceptions import MlflowException

    shown = hide_credentials(uri) if uri else None
    place = shown or marker.parent / "mlflow.db"
    loaded = load_runs([{**run} for run in runs])  # type: ignore[typeddict-item]
    settings = {(run["dataset"], run["model"], run["replicate"]): run.get("settings") for run in runs}
    try:
        with open_tracking(uri, marker) as (client, location):
            target = _Target(client, _experiment_id(client, experiment, location))
            parent = target.put(experiment, _files_hash([report, tables, *_pictures(figures)]), None, _attach_files(
                [(report, None), (tables, None), *((path, "figures") for path in _pictures(figures))]
            ))  # fmt: skip
            found = {}
            for run in logging.progress(loaded, "mlflow"):
                identity = (run.scores.dataset, run.scores.model, run.scores.replicate)
                found["/".join(identity)] = _import_run(target, run, settings.get(identity), parent)
            target.remove_others({experiment, *found})
    except MlflowException as error:
        raise InputError(f"MLflow at {place}: {_first_line(error)}") from None
    except Exception as error:
        # drivers and libraries name addresses as they were given; a traceback would keep the password in the log
        if uri is None or isinstance(error, InputError):
            raise
        raise InputError(f"MLflow at {place}: {type(error).__name__}: {_first_line(error)}") from None
    content = {"experiment": experiment, "uri": shown, "parent": parent, "runs": found}
    record = provenance.record({"experiment": experiment, "uri": shown}, [report, tables])
    storage.write_json(marker, {**content, "provenance": record})


@dataclass(frozen=True)
class _Target:
    """One experiment in MLflow and what can be done to it."""

    client: Any
    experiment: str

    def put(self, key: str, content: str, parent: str | None, fill: Callable[[Any, str], None]) -> str:
        """Return the id of the run of a key, made or replaced unless its content is the same."""
        existing = self._search(f"tags.`{KEY}` = '{_quoted(key)}'")
        current = [run for run in existing if run.data.tags.get(CONTENT) == content]
        for run in [run for run in existing if run not in current[:1]]:
            self._delete(run)
        if current:
            identity = str(current[0].info.run_id)
            if parent and current[0].data.tags.get(PARENT) != parent:
                self.client.set_tag(identity, PARENT, parent)
            return identity
        tags = {KEY: key, "mlflow.source.name": "scan2seg", **({PARENT: parent} if parent else {})}
        name = key.split("/", 1)[-1] if parent else key
        identity = str(self.client.create_run(self.experiment, tags=tags, run_name=name).info.run_id)
        try:
            fill(self.client, identity)
        except BaseException:
            with suppress(Exception):
                self.client.delete_run(identity)
            raise
        # The hash comes last: a run that was cut short has none and is replaced by the next import.
        self.client.set_tag(identity, CONTENT, content)
        self.client.set_terminated(identity, "FINISHED")
        return identity

    def remove_others(self, keys: set[str]) -> None:
        """Delete imported runs of models that the experiment no longer has."""
        for run in self._search(""):
            if KEY in run.data.tags and run.data.tags[KEY] not in keys:
                self._delete(run)

    def _search(self, words: str) -> list[Any]:
        found: list[Any] = []
        token = None
        while True:
            page = self.client.search_runs([self.experiment], words, page_token=token)
            found += page
            token = page.token
            if not token:
                return found

    def _delete(self, run: Any) -> None:
        # its artifacts are the store's to remove
        self.client.delete_run(run.info.run_id)


def _import_run(target: _Target, run: ReportRun, settings: Json | None, parent: str) -> str:
    recorded = run.scores.training.get("provenance", {}).get("settings", {})
    parameters = dict(_flatten(settings if settings is not None else recorded))
    paths = [run.file(name) for name in FILES if run.file(name).exists()]
    content = provenance.fingerprint([_files_hash(paths), parameters])

    def fill(client: Any, identity: str) -> None:
        from mlflow.entities import Metric, Param

        known = {"dataset": run.scores.dataset, "model": run.scores.model, "replicate": run.scores.replicate}
        listed = [Param(_name(key), value) for key, value in (known | parameters).items()]
        now = int(time.time() * 1000)
        points = [Metric(_name(key), value, now, 0) for key, value in _numbers(run.scores).items()]
        points += [Metric(_name(key), value, now, step) for key, step, value in _curves(run)]
        for start in range(0, len(listed), MOST_PARAMETERS):
            client.log_batch(identity, params=listed[start : start + MOST_PARAMETERS])
        for start in range(0, len(points), MOST_METRICS):
            client.log_batch(identity, metrics=points[start : start + MOST_METRICS])
        _attach_files([(path, None) for path in paths])(client, identity)

    return target.put("/".join(known_identity(run.scores)), content, parent, fill)


def known_identity(run: Run) -> tuple[str, str, str]:
    """Return dataset, model and replicate of a run."""
    return run.dataset, run.model, run.replicate


def _attach_files(files: Sequence[tuple[Path, str | None]]) -> Callable[[Any, str], None]:
    def fill(client: Any, identity: str) -> None:
        for path, folder in files:
            if path.exists():
                client.log_artifact(identity, str(path), folder)

    return fill


def _numbers(run: Run) -> dict[str, float]:
    """Return the numbers of a run that are known, under the names of ``scores.csv``."""
    found = {key: run.metrics[key] for key in ("mean_iou", "mean_dice", "pixel_accuracy")}
    found |= {f"mean_image_{key}": value for key, value in run.metrics["mean_image"].items()}
    found |= {f"iou_{name}": scores["iou"] for name, scores in run.metrics["classes"].items()}
    found |= {name: cost(run, name) for name in COSTS}
    return {key: float(value) for key, value in found.items() if isinstance(value, (int, float))}


def _curves(run: ReportRun) -> Iterator[tuple[str, int, float]]:
    for name in run.history.columns:
        if name != "epoch":
            for epoch, value in zip(*run.history.curve(name), strict=True):
                yield f"history_{name}", int(epoch), value


def _flatten(values: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield settings as dotted keys and text."""
    for key, value in values.items() if isinstance(values, Mapping) else ():
        if isinstance(value, Mapping) and value:
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", str(value)[:LONGEST_PARAMETER]


def _experiment_id(client: Any, name: str, location: str | None) -> str:
    found = client.get_experiment_by_name(name)
    if found is None:
        return str(client.create_experiment(name, artifact_location=location))
    if found.lifecycle_stage != "active":
        raise InputError(f"MLflow: the experiment '{name}' was deleted there; restore it or delete it for good")
    return str(found.experiment_id)


def _quieten() -> None:
    """Keep mlflow from reporting home, from retrying for minutes, and from chatting about its database."""
    defaults = {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        "GIT_PYTHON_REFRESH": "quiet",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    }
    for name, value in defaults.items():
        os.environ.setdefault(name, value)
    import mlflow  # noqa: F401 (its import sets its loggers up, so they are silenced after it)

    for name in ("mlflow", "alembic", "urllib3"):
        standard_logging.getLogger(name).setLevel(standard_logging.ERROR)


def _pictures(figures: Path) -> list[Path]:
    return sorted(Path(figures).glob("*.png"))


def _files_hash(paths: Sequence[Path]) -> str:
    parts = [(path.name, hashlib.sha256(path.read_bytes()).hexdigest()) for path in paths if path.exists()]
    return provenance.fingerprint(parts)


def _name(text: str) -> str:
    """Return a name with only the characters that MLflow allows."""
    return re.sub(r"[^\w./ :-]", "_", text)[:250]


def _quoted(text: str) -> str:
    return text.replace("'", "")


def _first_line(error: Exception) -> str:
    return hide_credentials(str(error).strip()).split("\n")[0][:500]
