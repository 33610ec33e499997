"""The import of many runs into MLflow, against MLflow's own interface used run by run.

Run with ``PYTHONPATH=tests/support python benchmarks/tracking.py [RUNS] [--reference RUNS]``.
"""

import argparse
import csv
import tempfile
import time
from pathlib import Path

import example_report
import example_tracking

from scan2seg import storage
from scan2seg.reporting.tracking import import_experiment
from scan2seg.reporting.tracking.client import quieten


def write_runs(folder: Path, count: int, model: bool) -> tuple[dict, Path]:
    """Return an experiment of as many runs, five replicates a model, all of them with the files of one."""
    content = example_report.write_experiment(folder, {"unet": 0.9}, 1, scans=False)
    run = content["runs"][0]
    if model:
        example_tracking.train(content["datasets"][0], run)
    content["runs"] = [
        {**run, "model": f"m{place // 5:03d}", "replicate": f"seed{place % 5}"} for place in range(count)
    ]
    report = folder / "reports" / "example"
    (report / "figures").mkdir()
    (report / "index.html").write_text("<html></html>")
    return content, report


def use_fluently(content: dict, count: int, folder: Path) -> None:
    """Log as many of the runs by MLflow's fluent interface, without tables and models."""
    import mlflow

    mlflow.set_tracking_uri(f"sqlite:///{folder}/fluent.db")
    mlflow.create_experiment("example", artifact_location=str(folder / "fluent"))
    mlflow.set_experiment("example")
    for entry in content["runs"][:count]:
        run = Path(entry["run"])
        scores = storage.read_json(run / "metrics.json")
        with (run / "history.csv").open() as file:
            history = list(csv.DictReader(file))
        with mlflow.start_run(run_name=f"{entry['model']}/{entry['replicate']}"):
            mlflow.log_params({key: entry[key] for key in ("dataset", "model", "replicate")})
            mlflow.log_metrics({"mean_iou": scores["mean_iou"], "mean_dice": scores["mean_dice"]})
            for row in history:
                values = {f"history_{key}": float(value) for key, value in row.items() if key != "epoch"}
                mlflow.log_metrics(values, step=int(row["epoch"]))
            for name in ("metrics.json", "per_image.csv", "training.json", "timing.json", "history.csv"):
                mlflow.log_artifact(str(run / name))


def time_import(content: dict, report: Path, results: Path) -> tuple[float, float]:
    """Return the seconds, by the clock and of the processor, that an import takes."""
    start, spent = time.perf_counter(), time.process_time()
    import_experiment(content, report / "index.html", report / "figures", None, results)
    return time.perf_counter() - start, time.process_time() - spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=int, nargs="?", default=1000)
    parser.add_argument("--reference", type=int, default=50, help="runs that the fluent interface is timed on")
    given = parser.parse_args()
    quieten()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        rows = []
        for name, model in (("with models", True), ("without models", False)):
            content, report = write_runs(folder / name / "made", given.runs, model)
            for what in ("import", "import again"):
                rows.append((f"{what}, {name}", *time_import(content, report, folder / name), given.runs))
        start, spent = time.perf_counter(), time.process_time()
        use_fluently(content, given.reference, folder)
        words = "MLflow's fluent interface, values and files alone"
        rows.append((words, time.perf_counter() - start, time.process_time() - spent, given.reference))
        reference = rows[-1][2] / given.reference
        print("| | runs | s | processor s | processor ms a run | x fluent interface |\n|---|---|---|---|---|---|")
        for name, wall, cpu, runs in rows:
            times = f"{wall:.1f} | {cpu:.1f} | {1e3 * cpu / runs:.1f}"
            print(f"| {name} | {runs} | {times} | {reference / (cpu / runs):.1f} |")


if __name__ == "__main__":
    main()
