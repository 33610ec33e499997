"""The inputs of the report, from what the catalogue says of an experiment and the folder of results."""

from pathlib import Path
from typing import Any

from scan2seg.reporting.content import ReportInputs, RunInput

_PATHS = ("stack", "split", "run", "applied", "reconstruction", "denoised", "labels", "table", "parts")


def gather_inputs(content: dict[str, Any], results: Path) -> ReportInputs:
    """Return the inputs of ``render_report``.

    Args:
        content: ``Catalogue.report_content``, whose paths count from the results folder.
        results: the folder of all results.
    """
    report = results / "reports" / content["experiment"]
    parts = {
        name: [_placed(entry, results) for entry in content[name]]
        for name in ("datasets", "runs", "scans", "segmentations", "studies")
    }
    rest = {name: content[name] for name in ("experiment", "title", "settings", "variants")}
    return {**rest, **parts, "scores": report / "scores.csv", "tables": report / "tables.md"}  # type: ignore[typeddict-item]


def gather_runs(runs: list[list[str]], results: Path) -> list[RunInput]:
    """Return the runs of a list of dataset, model, replicate and the folders of training and application."""
    return [
        {
            "dataset": dataset,
            "model": model,
            "replicate": replicate,
            "run": results / folder,
            "applied": results / applied,
        }
        for dataset, model, replicate, folder, applied in runs
    ]


def _placed(entry: dict[str, Any], results: Path) -> dict[str, Any]:
    return {key: results / value if key in _PATHS and value else value for key, value in entry.items()}
