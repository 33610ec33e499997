"""Results that a report would have and that are not there or cannot be read, with the reason."""

import re
from collections.abc import Collection, Sequence
from pathlib import Path

from scan2seg.errors import InputError
from scan2seg.reporting import tables
from scan2seg.reporting.content import ReportRun, RunInput, load_runs
from scan2seg.reporting.tables import Table

Gap = tuple[RunInput, str, str]
"""A run, what of it is missing, and why."""


def read_runs(entries: Sequence[RunInput], ensembles: Collection[str]) -> tuple[list[ReportRun], list[Gap]]:
    """Read the runs that can be read; return them and what is missing.

    Args:
        entries: the runs of the experiment.
        ensembles: models that are never trained, and so have no costs and curves.
    """
    runs, gaps = [], []
    for entry in entries:
        try:
            found = load_runs([entry])
        except InputError as error:
            gaps.append((entry, "all of it", str(error)))
            continue
        runs += found
        if not found:
            gaps.append((entry, "all of it", _find_reason(entry, entry["model"] in ensembles)))
        else:
            gaps += [(entry, *gap) for gap in _find_parts(found[0], entry["model"] in ensembles)]
            if "parts" in entry and not entry["parts"].exists():
                gaps.append((entry, "scores on training and validation images", "score_parts did not run or failed"))
    return runs, gaps


def gap_table(gaps: Sequence[Gap]) -> Table | None:
    """Return what is missing, a row a run; None where nothing is."""
    if not gaps:
        return None
    rows = [
        [*(tables.text(entry[key]) for key in ("dataset", "model", "replicate")), tables.text(what), tables.text(why)]
        for entry, what, why in gaps
    ]
    caption = (
        "Tables and figures are made of what is there; the mean of a model is over those of its runs that were scored."
    )
    return Table(["dataset", "model", "replicate", "missing", "why"], rows, caption=caption)


def _find_reason(entry: RunInput, ensemble: bool) -> str:
    """Say how far a run without scores got, by what it left on the disk and the error in the log of the next stage."""
    trained, applied = Path(entry["run"]), Path(entry["applied"])
    predict = "ensemble_predictions" if ensemble else "predict_stack"
    if (applied / "prediction.zarr").exists():
        state, stage, folder = "predicted, not scored", "score_prediction", applied
        otherwise = "the test images have no labels, or score_prediction did not run"
    elif ensemble or (trained / "checkpoint.pt").exists():
        state, stage, folder = "not predicted" if ensemble else "trained, not predicted", predict, applied
        otherwise = f"{predict} did not run" + ", for it needs all of its members" * ensemble
    elif (trained / "diverged.pt").exists():
        state, stage, folder = "the training diverged", "train_model", trained
        otherwise = "its loss or weights stopped being finite"
    elif (trained / "training").exists():
        return "the training was interrupted; it goes on from its last epoch when it runs again"
    else:
        state, stage, folder, otherwise = "not trained", "train_model", trained, "train_model did not run"
    error = _find_error(stage, folder) or (_find_error("plan_inference", folder) if stage == predict else None)
    return f"{state}: {error or otherwise}"


def _find_error(stage: str, folder: Path) -> str | None:
    """Return the last error in the log of a stage's job; None where there is no log, or none in it."""
    runs = next((parent for parent in folder.parents if parent.name == "runs"), folder)
    log = runs.parent / "logs" / stage / f"{folder.relative_to(runs)}.log"
    text = log.read_text("utf-8", errors="replace") if log.is_file() else ""
    errors = re.findall(rf"{stage}: ERROR (.*)", text)
    return errors[-1] if errors else None


def _find_parts(run: ReportRun, ensemble: bool) -> list[tuple[str, str]]:
    found = []
    if not ensemble and not run.scores.training:
        found.append(("costs of training", "there is no training.json"))
    if not ensemble and not run.scores.timing:
        found.append(("times of prediction", "there is no timing.json: time_inference did not run or failed"))
    if not ensemble and not (run.folder / "history.csv").exists():
        found.append(("training curves", "there is no history.csv"))
    if run.prediction is None:
        found.append(("pictures", "the prediction was not kept"))
    return found
