"""Finding the files that a report is made of, from the experiment's summary and the folder of results."""

from pathlib import Path
from typing import Any

from scan2seg.reporting.content import ReportInputs, RunInput


def gather_inputs(summary: dict[str, Any], results: Path) -> ReportInputs:
    """Return the inputs of ``render_report``.

    Args:
        summary: ``Experiment.summary()``.
        results: the folder of all results.
    """
    report = results / "reports" / summary["experiment"]
    return {
        "experiment": summary["experiment"],
        "title": summary["description"] or summary["experiment"],
        "datasets": [
            {
                "name": name,
                "stack": results / name / "stack.zarr",
                "split": results / name / "split.json",
                "published": dataset["published"],
            }
            for name, dataset in summary["datasets"].items()
            if (results / name / "stack.zarr").exists()
        ],
        "runs": gather_runs(summary["runs"], results),
        "scans": [
            {
                "dataset": dataset,
                "scan": scan,
                "reconstruction": results / dataset / "scans" / scan / "reconstruction.zarr",
                "denoised": results / dataset / "scans" / scan / "denoised.zarr",
                "labels": results / dataset / "scans" / scan / "labels.zarr" if simulated else None,
            }
            for dataset, scan, simulated in summary["scans"]
        ],
        "scores": report / "scores.csv",
        "tables": report / "tables.md",
        "settings": summary,
        "segmentations": [
            {"scan": scan, "labels": results / "segmentations" / scan / "labels.zarr"}
            for scan in summary["segmentations"]
        ],
        "studies": [
            {
                "name": name,
                "dataset": dataset,
                "table": results / dataset / "studies" / name / "study.csv",
                "settings": study,
            }
            for dataset in summary["datasets"]
            for name, study in summary["studies"].items()
        ],
    }


def gather_runs(runs: list[list[str]], results: Path) -> list[RunInput]:
    """Return dataset, model, replicate and folder of each run."""
    return [
        {
            "dataset": dataset,
            "model": model,
            "replicate": replicate,
            "run": results / dataset / "runs" / model / replicate,
        }
        for dataset, model, replicate in runs
    ]
