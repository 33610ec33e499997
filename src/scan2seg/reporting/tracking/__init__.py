"""The stage ``log_to_mlflow``: the results of an experiment imported into MLflow, again and again without duplicates.

The modules of this package alone import mlflow. Every imported run carries two tags: what it is, and a hash of what was
imported. A run whose hash is the same stays as it is; one whose hash differs is replaced.
"""

from pathlib import Path

from scan2seg import logging, provenance, storage
from scan2seg.documents import Json
from scan2seg.errors import InputError
from scan2seg.evaluation.ranking import Ranked, rank
from scan2seg.reporting.content import ReportInputs, load_runs
from scan2seg.reporting.tracking.client import Target, quieten
from scan2seg.reporting.tracking.comparison import describe_experiment
from scan2seg.reporting.tracking.models import register_best
from scan2seg.reporting.tracking.runs import describe_run
from scan2seg.reporting.tracking.store import DATABASE, open_tracking
from scan2seg.secrets import hide_credentials


def log_to_mlflow(
    inputs: ReportInputs, report: Path, figures: Path, uri: str | None, results: Path, marker: Path
) -> None:
    """Import an experiment, see ``import_experiment``, and write the ids of its runs.

    Args:
        inputs: as for ``render_report``.
        report: the HTML file.
        figures: the folder of PNG files.
        uri: the address of a tracking server, or None.
        results: the folder of all results.
        marker: the JSON file to write: the ids of the parent run and of every run.

    Raises:
        InputError: the server cannot be reached or refuses.
    """
    found = import_experiment(inputs, report, figures, uri, results)
    record = provenance.record({"experiment": found["experiment"], "uri": found["uri"]}, [report])
    storage.write_json(marker, {**found, "provenance": record})


def import_experiment(inputs: ReportInputs, report: Path, figures: Path, uri: str | None, results: Path) -> Json:
    """Import an experiment: a parent run with the comparison, and a child run a dataset, model and replicate.

    Args:
        inputs: as for ``render_report``.
        report: the HTML file.
        figures: the folder of PNG files.
        uri: the address of a tracking server; None for the SQLite file ``mlflow.db`` of the results folder, which all
            its experiments share, with artifacts in ``mlartifacts``. Without an address no network is used. A user and
            password in it reach the server alone: no file, no message.
        results: the folder of all results.

    Returns:
        "experiment", "uri" without password, "parent" and "runs", the ids by DATASET/MODEL/REPLICATE.

    Raises:
        InputError: the server cannot be reached or refuses.
    """
    quieten()
    from mlflow.exceptions import MlflowException

    shown = hide_credentials(uri) if uri else None
    place = shown or results / DATABASE
    try:
        with open_tracking(uri, results) as store:
            target = Target.open(store, inputs["experiment"])
            parent, found = _import(target, inputs, report, figures)
    except MlflowException as error:
        raise InputError(f"MLflow at {place}: {_first_line(error)}") from None
    except Exception as error:
        # drivers and libraries name addresses as they were given; a traceback would keep the password in the log
        if uri is None or isinstance(error, InputError):
            raise
        raise InputError(f"MLflow at {place}: {type(error).__name__}: {_first_line(error)}") from None
    return {"experiment": inputs["experiment"], "uri": shown, "parent": parent, "runs": found}


def _import(target: Target, inputs: ReportInputs, report: Path, figures: Path) -> tuple[str, dict[str, str]]:
    runs = load_runs(inputs["runs"])
    ranking = rank((run.scores for run in runs), inputs.get("reference"))
    parent, _ = target.put(describe_experiment(inputs, ranking, report, figures), None)
    found: dict[str, tuple[str, str | None]] = {}
    for run in logging.progress(runs, "mlflow"):
        record = describe_run(run, inputs)
        found[record.key] = target.put(record, parent)
    target.remove_others({inputs["experiment"], *found})
    register_best(target.client, inputs["experiment"], _find_winners(ranking, found))
    return parent, {key: run for key, (run, _) in found.items()}


def _find_winners(
    ranking: dict[str, list[Ranked]], found: dict[str, tuple[str, str | None]]
) -> dict[str, tuple[str, str]]:
    """Return run and model of the first of each ranking that has one; ensembles have none and are passed over."""
    winners = {}
    for dataset, rows in ranking.items():
        for row in rows:
            run, model = found[f"{dataset}/{row.chosen.name}"]
            if model is not None:
                winners[dataset] = (run, model)
                break
    return winners


def _first_line(error: Exception) -> str:
    return hide_credentials(str(error).strip()).split("\n")[0][:500]
