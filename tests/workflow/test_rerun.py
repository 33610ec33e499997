"""After a finished run an edit reruns what depends on it, and nothing else."""

import os
import time

import pytest
from pipeline import Pipeline

REPORTING = {"compare_models", "render_report", "log_to_mlflow"}
OF_A_MODEL = {"train_model", "predict_stack", "score_prediction", "time_inference", "map_saliency"}
AFTER_DENOISING = {"assemble_stack", "split_stack", "extract_patches", "segment_scan", "ensemble_predictions"}


def test_every_file_of_the_contract_is_there(pipeline: Pipeline) -> None:
    results = pipeline.folder / "results"
    run = "pillar/runs/small/seed0"
    for name in (
        "pillar/scans/tiny/reconstruction.zarr", "pillar/scans/tiny/denoised.zarr", "pillar/stack.zarr",
        "pillar/split.json", f"{run}/checkpoint.pt", f"{run}/history.csv", f"{run}/training.json",
        f"{run}/prediction.zarr", f"{run}/metrics.json", f"{run}/per_image.csv", f"{run}/timing.json",
        "pillar/runs/both/seed0/metrics.json", "reports/tiny/index.html", "reports/tiny/scores.csv",
        "reports/tiny/tables.md", "reports/tiny/figures", "reports/tiny/mlflow.db",
        "segmentations/fresh/labels.zarr", "segmentations/fresh/summary.json", "segmentations/fresh/labels.tif",
    ):  # fmt: skip
        assert (results / name).exists(), name
    assert not list(results.rglob("*.partial"))


def test_nothing_changed_nothing_runs(pipeline: Pipeline) -> None:
    assert pipeline.jobs() == {}


def test_a_touched_file_reruns_nothing(pipeline: Pipeline) -> None:
    for name in ("cells/images/cell_00.png", "src/scan2seg/split/parts.py", "config/models/small.yaml"):
        os.utime(pipeline.folder / name, (time.time(), time.time()))
    assert pipeline.jobs() == {}


def test_a_learning_rate_reruns_its_model_and_the_comparison(pipeline: Pipeline) -> None:
    with pipeline.edit("config/models/small.yaml", "training:", "optimizer: {learning_rate: 0.002}\ntraining:"):
        jobs = pipeline.jobs()
    assert set(jobs) == OF_A_MODEL | REPORTING | {"ensemble_predictions", "segment_scan"}
    assert jobs["train_model"] == {"cells/small/seed0", "pillar/small/seed0"}
    assert jobs["predict_stack"] == jobs["train_model"]


def test_resources_and_threads_rerun_nothing(pipeline: Pipeline) -> None:
    with pipeline.edit(
        "config/models/small.yaml", "{gpus: 0, threads: 1}", "{gpus: 1, threads: 2, mem_mb: 9999, runtime: 7}"
    ):
        assert pipeline.jobs() == {}


def test_a_denoiser_s_setting_reruns_from_denoising_on(pipeline: Pipeline) -> None:
    with pipeline.edit("config/datasets/pillar.yaml", "radius: 0.7", "radius: 0.8"):
        jobs = pipeline.jobs()
    assert jobs["denoise_scan"] == {"pillar/tiny"}
    assert jobs["assemble_stack"] == {"pillar"} and jobs["train_model"] == {"pillar/small/seed0", "pillar/levels/seed0"}
    assert not {"simulate_scan", "reconstruct_scan"} & set(jobs)


def test_an_edit_of_a_denoiser_reruns_the_datasets_that_use_it(pipeline: Pipeline) -> None:
    with pipeline.edit("src/scan2seg/denoising/gaussian.py", '"""', '"""Edited. '):
        jobs = pipeline.jobs()
    assert jobs["denoise_scan"] == {"pillar/tiny", "fresh/fresh"}
    assert jobs["assemble_stack"] == {"pillar"}
    assert not {"simulate_scan", "reconstruct_scan"} & set(jobs)
    with pipeline.edit("src/scan2seg/denoising/median.py", '"""', '"""Edited. '):
        assert pipeline.jobs() == {}


def test_an_edit_of_an_architecture_reruns_that_architecture(pipeline: Pipeline) -> None:
    with pipeline.edit("src/scan2seg/architectures/otsu.py", '"""', '"""Edited. '):
        jobs = pipeline.jobs()
    assert jobs["train_model"] == {"cells/levels/seed0", "pillar/levels/seed0"}
    assert not {"assemble_stack", "extract_patches", "denoise_scan"} & set(jobs)


def test_an_edit_of_the_report_reruns_the_report(pipeline: Pipeline) -> None:
    with pipeline.edit("src/scan2seg/reporting/html.py", '"""', '"""Edited. '):
        assert set(pipeline.jobs()) == {"render_report", "log_to_mlflow"}


def test_a_new_model_runs_its_own_jobs_and_the_comparison(pipeline: Pipeline) -> None:
    with pipeline.edit("config/experiments/tiny.yaml", "models: [small, levels]", "models: [small, levels, other]"):
        jobs = pipeline.jobs()
    for rule in OF_A_MODEL:
        assert jobs[rule] == {"cells/other/seed0", "pillar/other/seed0"}, rule
    assert set(jobs) - OF_A_MODEL <= REPORTING | {"segment_scan"}


@pytest.mark.parametrize("source", ["split/parts.py", "denoising/gaussian.py", "reporting/html.py", "storage.py"])
def test_without_code_tracking_source_edits_rerun_nothing(pipeline: Pipeline, source: str) -> None:
    triggers = ("--rerun-triggers", "mtime", "params", "input", "software-env")
    with pipeline.edit(f"src/scan2seg/{source}", '"""', '"""Edited. '):
        assert pipeline.jobs("--config", "track_code=false", *triggers) == {}
        assert pipeline.jobs() != {}


def test_a_changed_learning_rate_really_retrains_one_model_only(pipeline: Pipeline) -> None:
    runs = pipeline.folder / "results" / "pillar" / "runs"
    before = {path: path.read_bytes() for path in runs.rglob("checkpoint.pt")}
    with pipeline.edit("config/models/small.yaml", "training:", "optimizer: {learning_rate: 0.005}\ntraining:"):
        assert pipeline.run().returncode == 0
        after = {path: path.read_bytes() for path in runs.rglob("checkpoint.pt")}
        changed = {str(path.relative_to(runs)) for path in before if before[path] != after[path]}
        assert changed == {"small/seed0/checkpoint.pt"}
        assert pipeline.jobs() == {}
    assert pipeline.run().returncode == 0
    assert {path: path.read_bytes() for path in runs.rglob("checkpoint.pt")}.keys() == before.keys()
