"""After a finished run an edit reruns what depends on it, and nothing else."""

import json
import os
import time
from pathlib import Path

import pytest
from pipeline import Pipeline

from scan2seg.catalogue import Catalogue
from scan2seg.catalogue.jobs import jobs
from scan2seg.config.experiment import load_experiment
from scan2seg.status import find_status

REPORTING = {"compare_models", "render_report", "log_to_mlflow", "link_runs"}
OF_A_MODEL = {"train_model", "predict_stack", "score_prediction", "time_inference", "map_saliency"}
AFTER_DENOISING = {"assemble_stack", "split_stack", "extract_patches", "segment_scan", "ensemble_predictions"}


def test_every_file_of_the_contract_is_there(pipeline: Pipeline) -> None:
    run, key = "runs/small-*/seed0", "[0-9a-f]" * 8
    for pattern, count in (
        (f"simulations/tiny-{key}/labels.zarr", 1), (f"reconstructions/tiny-{key}/volume.zarr", 1),
        (f"volumes/tiny-{key}/volume.zarr", 1), (f"stacks/pillar-{key}/stack.zarr", 1),
        (f"stacks/pillar-{key}/splits/{key}.json", 1), (f"stacks/pillar-{key}/patches/32x32-{key}.zarr", 1),
        (f"{run}/checkpoint.pt", 2), (f"{run}/history.csv", 2), (f"{run}/training.json", 2),
        (f"runs/both-{key}/seed0/metrics.json", 2), (f"runs/both-{key}/seed0/prediction.zarr", 2),
        ("reports/tiny/index.html", 1), ("reports/tiny/scores.csv", 1), ("reports/tiny/tables.md", 1),
        ("reports/tiny/figures", 1), ("mlflow.db", 1), (f"segmentations/fresh-{key}/labels.zarr", 1),
        (f"segmentations/fresh-{key}/summary.json", 1), (f"segmentations/fresh-{key}/labels.tif", 1),
    ):  # fmt: skip
        assert len(list((pipeline.folder / "results").glob(pattern))) == count, pattern
    assert not [
        path for path in (pipeline.folder / "results").rglob(".*") if path.name.endswith((".partial", ".owner"))
    ]


def test_status_knows_every_job(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(pipeline.folder)
    results = Path("results")
    expected = list(jobs(Catalogue(load_experiment(Path("config/experiments/tiny.yaml")))))
    logs = {str(path.relative_to(results)) for path in results.glob("logs/**/*.log")}
    assert {job.log for job in expected} == logs
    assert all(status.state == "done" for status in find_status(expected, results))


@pytest.mark.parametrize(
    ("pattern", "rule"),
    [
        ("runs/small-*/seed0/checkpoint.pt", "train_model"),
        ("runs/small-*/seed0/history.csv", "train_model"),
        ("runs/both-*/seed0/per_image.csv", "score_prediction"),
        ("runs/both-*/seed0/prediction.zarr", "ensemble_predictions"),
        ("reports/tiny/tables.md", "compare_models"),
        ("runs/small-*/seed0/saliency.zarr", "map_saliency"),
        ("stacks/pillar-*/stack.zarr", "assemble_stack"),
    ],
)
def test_what_the_report_is_made_of_is_a_target(pipeline: Pipeline, pattern: str, rule: str) -> None:
    lost = next((pipeline.folder / "results").glob(pattern))
    aside = lost.rename(pipeline.folder / "aside")
    try:
        assert rule in pipeline.jobs()
    finally:
        aside.rename(lost)


def test_people_find_a_run_by_its_names(pipeline: Pipeline) -> None:
    for dataset in ("cells", "pillar"):
        run = pipeline.folder / f"results/reports/tiny/runs/{dataset}/small/seed0"
        assert json.loads((run / "metrics.json").read_text())["dataset"] == dataset
        for name in (
            "checkpoint.pt",
            "history.csv",
            "training.json",
            "timing.json",
            "per_image.csv",
            "prediction.zarr",
        ):
            assert (run / name).is_symlink() and (run / name).exists(), name
            assert not os.path.isabs(os.readlink(run / name))


def test_nothing_changed_nothing_runs(pipeline: Pipeline) -> None:
    assert pipeline.jobs() == {}


def test_a_touched_file_reruns_nothing(pipeline: Pipeline) -> None:
    for name in ("cells/images/cell_00.png", "src/scan2seg/stack.py", "config/models/small.yaml"):
        os.utime(pipeline.folder / name, (time.time(), time.time()))
    assert pipeline.jobs() == {}


def test_a_learning_rate_reruns_its_model_and_the_comparison(pipeline: Pipeline) -> None:
    with pipeline.edit("config/models/small.yaml", "training:", "optimizer: {learning_rate: 0.002}\ntraining:"):
        jobs = pipeline.jobs()
    assert set(jobs) == OF_A_MODEL | REPORTING | {"ensemble_predictions"}
    assert jobs["train_model"] == ["small/seed0", "small/seed0"]
    assert jobs["predict_stack"] == jobs["train_model"]


def test_resources_and_threads_rerun_nothing(pipeline: Pipeline) -> None:
    with pipeline.edit(
        "config/models/small.yaml", "{gpus: 0, threads: 1}", "{gpus: 1, threads: 2, mem_mb: 9999, runtime: 7}"
    ):
        assert pipeline.jobs() == {}


def test_a_denoiser_s_setting_reruns_from_denoising_on(pipeline: Pipeline) -> None:
    with pipeline.edit("config/datasets/pillar.yaml", "radius: 0.7", "radius: 0.8"):
        jobs = pipeline.jobs()
    assert jobs["denoise_scan"] == ["tiny"]
    assert jobs["assemble_stack"] == ["pillar"] and jobs["train_model"] == ["levels/seed0", "small/seed0"]
    assert not {"simulate_scan", "reconstruct_scan"} & set(jobs)


def test_an_edit_of_a_denoiser_reruns_the_datasets_that_use_it(pipeline: Pipeline) -> None:
    with pipeline.edit("src/scan2seg/denoising/gaussian.py", '"""', '"""Edited. '):
        jobs = pipeline.jobs()
    assert jobs["denoise_scan"] == ["fresh", "tiny"]
    assert jobs["assemble_stack"] == ["pillar"]
    assert not {"simulate_scan", "reconstruct_scan"} & set(jobs)
    with pipeline.edit("src/scan2seg/denoising/median.py", '"""', '"""Edited. '):
        assert pipeline.jobs() == {}


def test_an_edit_of_an_architecture_reruns_that_architecture(pipeline: Pipeline) -> None:
    with pipeline.edit("src/scan2seg/architectures/otsu.py", '"""', '"""Edited. '):
        jobs = pipeline.jobs()
    assert jobs["train_model"] == ["levels/seed0", "levels/seed0"]
    assert not {"assemble_stack", "extract_patches", "denoise_scan"} & set(jobs)


def test_an_edit_of_the_report_reruns_the_report(pipeline: Pipeline) -> None:
    with pipeline.edit("src/scan2seg/reporting/html.py", '"""', '"""Edited. '):
        assert set(pipeline.jobs()) == {"render_report", "log_to_mlflow"}


def test_a_new_model_runs_its_own_jobs_and_the_comparison(pipeline: Pipeline) -> None:
    with pipeline.edit("config/experiments/tiny.yaml", "models: [small, levels]", "models: [small, levels, other]"):
        jobs = pipeline.jobs()
    for rule in OF_A_MODEL:
        assert jobs[rule] == ["other/seed0", "other/seed0"], rule
    assert set(jobs) - OF_A_MODEL <= REPORTING


@pytest.mark.parametrize("source", ["stack.py", "denoising/gaussian.py", "reporting/html.py", "storage.py"])
def test_without_code_tracking_source_edits_rerun_nothing(pipeline: Pipeline, source: str) -> None:
    triggers = ("--rerun-triggers", "mtime", "params", "input", "software-env")
    with pipeline.edit(f"src/scan2seg/{source}", '"""', '"""Edited. '):
        assert pipeline.jobs("--config", "track_code=false", *triggers) == {}
        assert pipeline.jobs() != {}


def test_a_changed_learning_rate_trains_one_model_and_back_again_runs_nothing(pipeline: Pipeline) -> None:
    runs = pipeline.folder / "results" / "runs"
    before = {path: path.stat().st_mtime_ns for path in runs.rglob("checkpoint.pt")}
    with pipeline.edit("config/models/small.yaml", "training:", "optimizer: {learning_rate: 0.005}\ntraining:"):
        assert pipeline.run().returncode == 0
        after = {path: path.stat().st_mtime_ns for path in runs.rglob("checkpoint.pt")}
        assert [path.parts[-3][:6] for path in sorted(after.keys() - before.keys())] == ["small-", "small-"]
        assert {path: after[path] for path in before} == before
        assert pipeline.jobs() == {}
    # what the first learning rate made is still there: only the report is made of it anew
    assert set(pipeline.jobs()) <= REPORTING
    assert pipeline.run().returncode == 0
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_variants_share_what_they_have_in_common(pipeline: Pipeline) -> None:
    """Another split shares volume and stack, another denoiser the reconstruction, another name everything."""
    variants = "datasets:\n  - pillar\n" + "".join(
        f"  - {{base: pillar, name: {name}{changes}}}\n"
        for name, changes in (
            ("fewer", ", split: {training_images: 2}"),
            ("sharper", ", source: {denoising: [{method: unsharp_mask}]}"),
            ("again", ""),
        )
    )
    with pipeline.edit("config/experiments/tiny.yaml", "datasets: [cells, pillar]", variants.rstrip()):
        jobs = pipeline.jobs()
    assert "reconstruct_scan" not in jobs and jobs["denoise_scan"] == ["tiny"] and jobs["assemble_stack"] == ["pillar"]
    assert jobs["split_stack"] == ["pillar", "pillar"]
    assert jobs["train_model"] == ["levels/seed0", "levels/seed0", "small/seed0", "small/seed0"]


def test_a_new_scan_under_an_old_name_replaces_nothing(pipeline: Pipeline) -> None:
    """A dataset to segment that is changed but keeps its name is an error that names both."""
    changed = "segment: {datasets: [{base: pillar, source: {scans: {tiny: {seed: 9}}}}]"
    with pipeline.edit("config/experiments/tiny.yaml", "segment: {datasets: [fresh]", changed):
        result = pipeline.run("-n")
    assert result.returncode == 1
    assert "pillar" in result.stdout + result.stderr and "another name" in result.stdout + result.stderr


def test_a_mask_of_too_many_to_be_inputs_is_seen(pipeline: Pipeline) -> None:
    mask = pipeline.folder / "cells/labels/cell_03_mask.png"
    content, times = mask.read_bytes(), mask.stat()
    with pipeline.edit("src/scan2seg/catalogue/files.py", "MANY = 1000", "MANY = 4"):
        assert pipeline.run("--until", "assemble_stack").returncode == 0
        assert "assemble_stack" not in pipeline.jobs()
        mask.write_bytes((pipeline.folder / "cells/labels/cell_04_mask.png").read_bytes())
        assert pipeline.jobs()["assemble_stack"] == ["cells"]
    mask.write_bytes(content)
    # as if nothing had been, so that nothing is made anew from it
    os.utime(mask, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert pipeline.run().returncode == 0


def test_an_edit_of_a_reader_reruns_what_it_read(pipeline: Pipeline) -> None:
    with pipeline.edit("src/scan2seg/readers/scans/data_exchange.py", '"""', '"""Edited. '):
        assert pipeline.jobs()["reconstruct_scan"] == ["fresh", "tiny"]
    with pipeline.edit("src/scan2seg/readers/scans/nxtomo.py", '"""', '"""Edited. '):
        assert pipeline.jobs() == {}
    with pipeline.edit("src/scan2seg/reporting/gather.py", '"""', '"""Edited. '):
        assert "render_report" in pipeline.jobs()
