"""The report of an experiment that is not finished: of the results that are there, saying what is missing and why."""

import math
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from scan2seg import storage
from scan2seg.errors import InputError
from scan2seg.evaluation.comparison import compare_models
from scan2seg.evaluation.runs import IDENTITY
from scan2seg.ownership import owning
from scan2seg.reporting.content import files_of
from scan2seg.reporting.gaps import Gap, read_runs
from scan2seg.reporting.gather import gather_inputs
from scan2seg.reporting.html import render_report

if TYPE_CHECKING:
    from scan2seg.catalogue import Catalogue


def report_what_is_there(catalogue: "Catalogue") -> tuple[Path, list[Gap]]:
    """Compare the runs that were scored and write the report where the workflow writes it, which makes it anew once
    the rest is there.

    Returns:
        the report, and what is missing in it.

    Raises:
        InputError: no run was scored, or two were scored on unlike images.
    """
    experiment = catalogue.experiment
    content = catalogue.report_content
    inputs = gather_inputs(content, Path(experiment.settings.results))
    runs, gaps = read_runs(inputs["runs"], experiment.settings.ensembles)
    if experiment.models and not runs:
        reasons = "".join(f"\n{describe_gap(gap)}" for gap in gaps)
        raise InputError(
            f"{experiment.settings.experiment}: no model was scored, so there is nothing to report{reasons}"
        )
    folder = Path(experiment.settings.results, "reports", content["experiment"])
    report, things = folder / "index.html", folder / "things.json"
    with owning([report, things], "render_report", uuid.uuid4().hex, math.inf):
        if runs:
            there = {(run.folder, run.applied) for run in runs}
            files = [files_of(entry) for entry in inputs["runs"] if (entry["run"], entry["applied"]) in there]
            tables = folder / "scores.csv", folder / "tables.md"
            published = {entry["name"]: entry["published"] for entry in inputs["datasets"]}
            compare_models(files, *tables, inputs.get("reference"), published, inputs.get("variants") or [])
        render_report(inputs, report, folder / "figures")
        storage.write_json(things, {"things": content["things"]})
    return report, gaps


def describe_gap(gap: Gap) -> str:
    """Say in a line what of a run is missing and why."""
    entry, what, why = gap
    return f"{'/'.join(entry[name] for name in IDENTITY)}: {what} is missing: {why}"  # type: ignore[literal-required]
