"""Results that a report would have and that are not there or cannot be read, with the reason."""

from collections.abc import Sequence
from pathlib import Path

from scan2seg.errors import InputError
from scan2seg.reporting import tables
from scan2seg.reporting.content import ReportRun, RunInput, load_runs
from scan2seg.reporting.tables import Table

Gap = tuple[RunInput, str, str]
"""A run, what of it is missing, and why."""


def read_runs(entries: Sequence[RunInput], ensembles: Sequence[str]) -> tuple[list[ReportRun], list[Gap]]:
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
            gaps.append((entry, "all of it", _find_reason(entry)))
        else:
            gaps += [(entry, *gap) for gap in _find_parts(found[0], entry["model"] in ensembles)]
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


def _find_reason(entry: RunInput) -> str:
    """Say how far a run without scores got, by what it left on the disk."""
    trained, applied = Path(entry["run"]), Path(entry["applied"])
    if (applied / "prediction.zarr").exists():
        return "predicted, not scored: the test images have no labels, or score_prediction did not run"
    if (trained / "checkpoint.pt").exists():
        return "trained, not predicted: predict_stack did not run or failed; its log says why"
    if (trained / "diverged.pt").exists():
        return "the training diverged: its loss or weights stopped being finite; the log of train_model says where"
    if (trained / "training").exists():
        return "the training was interrupted; it goes on from its last epoch when it runs again"
    return "not trained: train_model did not run or failed; its log says why"


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
