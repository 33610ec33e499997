"""Killed jobs, full disks and bad input: one clear message, nothing that looks finished, and a rerun that completes."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from disks import on_its_own_disk
from pipeline import STAGES, Pipeline

# one whose parts are recorded, one of a model, one of links, one of many files, one of a database
SOME = ("reconstruct_scan", "train_model", "link_runs", "render_report", "log_to_mlflow")


def kill_at(pipeline: Pipeline, rule: str) -> None:
    """Run until a job of the rule has started, then kill everything at once, as a power failure would."""
    logs = pipeline.folder / "results" / "logs" / rule
    before = {path: path.stat().st_mtime_ns for path in logs.rglob("*.log")} if logs.exists() else {}
    process = subprocess.Popen(
        pipeline.command("--forcerun", rule, "--until", rule),
        cwd=pipeline.folder, env=pipeline.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    for _ in range(4000):
        new = [path for path in logs.rglob("*.log") if path.stat().st_mtime_ns != before.get(path)]
        if process.poll() is not None or any("started" in path.read_text() for path in new):
            break
        time.sleep(0.02)
    assert process.poll() is None, f"the run ended before {rule} started"
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def finish(folder: Path, experiment: str) -> Pipeline:
    made = Pipeline(folder, experiment)
    result = made.run()
    assert result.returncode == 0, result.stdout[-6000:] + result.stderr[-6000:]
    return made


@pytest.fixture(scope="module")
def part(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    """The stages that need no training of a network after a finished run."""
    return finish(tmp_path_factory.mktemp("part"), "part")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    """An experiment of every stage after a finished run."""
    made = finish(tmp_path_factory.mktemp("whole"), "whole")
    assert set(STAGES) == {path.stem for path in made.folder.glob("workflow/scripts/*.py")}
    assert set(outputs_of(made)) == set(STAGES)
    return made


def scores(pipeline: Pipeline) -> dict[str, object]:
    """Return all scores, by the file that they stand in."""
    results = pipeline.folder / "results"
    files = [*results.glob("runs/**/metrics.json"), *results.glob("runs/**/parts-*.json")]
    found = {str(path.relative_to(results)): {**json.loads(path.read_text()), "provenance": None} for path in files}
    trials = {
        str(path.relative_to(results)): json.loads(path.read_text())["score"] for path in results.rglob("trial.json")
    }
    assert found and (trials or pipeline.experiment != "whole")
    return {**found, **trials}


SHARE = [pytest.param(SOME, "part", marks=pytest.mark.slow), pytest.param(STAGES, "whole", marks=pytest.mark.thorough)]


@pytest.mark.parametrize(("stages", "experiment"), SHARE)
def test_a_run_killed_at_a_stage_completes_and_equals_an_undisturbed_one(
    request: pytest.FixtureRequest, tmp_path: Path, stages: tuple[str, ...], experiment: str
) -> None:
    undisturbed, disturbed = request.getfixturevalue(experiment), Pipeline(tmp_path, experiment)
    for rule in stages:
        kill_at(disturbed, rule)
    assert disturbed.run().returncode == 0
    assert disturbed.jobs() == {}
    assert scores(disturbed) == scores(undisturbed)
    assert not list(disturbed.folder.rglob("*.partial"))


def outputs_of(pipeline: Pipeline) -> dict[str, list[Path]]:
    """Return the outputs of one job of each stage, of the one that makes least."""
    found: dict[str, list[Path]] = {}
    dry = pipeline.run("-n", "--forceall").stdout
    for rule, names in re.findall(r"\brule (\w+):\n(?:.*\n)*?\s+output: (.*)", dry):
        found.setdefault(rule, [pipeline.folder / name for name in names.split(", ")])
    return found


@pytest.mark.slow
def test_results_that_are_read_only_are_refused_before_the_first_job(part: Pipeline) -> None:
    with on_its_own_disk(part.folder) as disk:
        before = disk.snapshot()
        disk.remount("ro")
        result = part.run("--forcerun", "simulate_scan")
        assert result.returncode == 1
        assert "results/reports/part: cannot be written (Read-only file system)" in result.stdout + result.stderr
        assert "Traceback" not in result.stdout + result.stderr and "Execute" not in result.stdout + result.stderr
        assert disk.snapshot() == before


@pytest.mark.parametrize(("stages", "experiment"), SHARE)
def test_a_disk_that_is_full_in_a_stage_loses_nothing_and_one_more_command_finishes(
    request: pytest.FixtureRequest, stages: tuple[str, ...], experiment: str
) -> None:
    made = request.getfixturevalue(experiment)
    outputs = outputs_of(made)
    with on_its_own_disk(made.folder) as disk:
        before = disk.snapshot()
        for rule in stages:
            disk.fill(outputs[rule])
            result = made.run("--forcerun", rule, "--until", rule, "--cores", "1")
            disk.grow()
            output = result.stdout + result.stderr
            assert result.returncode == 1, f"{rule}\n{output}"
            (said,) = re.findall(rf"{rule}: ERROR (.*)", output)
            assert "the disk is full" in said and "again" in said, said
            assert "Traceback" not in output, f"{rule}\n{output}"
            logs = [path.read_text() for path in (disk.folder / "logs" / rule).rglob("*.log")]
            assert [text.count(said) for text in logs if "ERROR" in text] == [1] and "Traceback" not in "".join(logs)
            assert disk.snapshot() == before, rule
            assert not list(disk.folder.rglob("*.partial")), rule
        expected = scores(made)
        result = made.run()
        assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
        assert scores(made) == expected
        assert made.jobs() == {}


def test_a_stage_that_hangs_is_ended_where_the_experiment_asks_for_that(tmp_path: Path) -> None:
    made = Pipeline(tmp_path)
    script = tmp_path / "workflow/scripts/assemble_stack.py"
    script.write_text(
        script.read_text().replace("if needed:\n", "if needed:\n            __import__('time').sleep(600)\n")
    )
    settings = "cluster: {stalled_minutes: 0.05, end_stalled: true}\n"
    (tmp_path / "config/experiments/tiny.yaml").write_text(f"datasets: [cells]\nmodels: [levels]\n{settings}")
    result = made.run()
    assert result.returncode == 1
    assert "no progress for 0.05 min" in result.stdout + result.stderr
    assert "stalled for 0.05 min, so it is ended (cluster.end_stalled)" in result.stdout + result.stderr
    assert not list((tmp_path / "results/stacks").rglob("*.zarr"))


def scan_pipeline(folder: Path, damage: str) -> Pipeline:
    """Write a pipeline whose experiment reconstructs one raw scan, damaged in a certain way."""
    made = Pipeline(folder)
    generator = np.random.default_rng(0)
    projections, rows, columns = {"one angle": (1, 4, 32), "one slice": (60, 1, 32)}.get(damage, (60, 4, 32))
    data = generator.uniform(500, 900, (projections, rows, columns)).astype(np.float32)
    flats, darks = np.full((3, rows, columns), 1000, np.float32), np.full((3, rows, columns), 10, np.float32)
    if damage == "all-zero flats":
        flats[:] = 0
    if damage == "projections of NaN":
        data[:] = np.nan
    path = folder / "scan.h5"
    with h5py.File(path, "w") as file:
        for name, values in (("data", data), ("data_white", flats), ("data_dark", darks)):
            file[f"exchange/{name}"] = values
        file["exchange/theta"] = np.linspace(0, 180, projections)
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:20_000])
    (folder / "config/datasets/raw.yaml").write_text("source: {kind: scan, projections: ../../scan.h5}\n")
    (folder / "config/experiments/tiny.yaml").write_text("datasets: [raw]\nmodels: []\n")
    return made


@pytest.mark.slow
@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("truncated", "scan.h5"),
        ("projections of NaN", "no finite value"),
        ("all-zero flats", "flat"),
        ("one angle", "has one projection"),
    ],
)
def test_a_damaged_scan_ends_in_one_clear_message(tmp_path: Path, damage: str, message: str) -> None:
    made = scan_pipeline(tmp_path, damage)
    result = made.run()
    output = result.stdout + result.stderr
    assert result.returncode != 0
    assert message in output and "scan.h5" in output
    assert "Traceback (most recent call last)" not in output
    assert not list((tmp_path / "results").rglob("*.zarr"))


@pytest.mark.slow
def test_one_slice_is_a_volume_like_any_other(tmp_path: Path) -> None:
    made = scan_pipeline(tmp_path, "one slice")
    result = made.run("--until", "denoise_scan")
    assert result.returncode == 0, result.stderr[-3000:]


def test_a_full_disk_leaves_nothing_that_looks_finished(tmp_path: Path) -> None:
    made = scan_pipeline(tmp_path, "none")
    # a limit on the size of a file stands in for a disk that fills up while the volume is written
    (tmp_path / "stage.py").write_text(
        "import resource, signal\n"
        "from pathlib import Path\n"
        "from scan2seg.config.reconstruction import ReconstructionSettings\n"
        "from scan2seg.config.scan_files import RawScan\n"
        "from scan2seg.logging import stage\n"
        "from scan2seg.reconstruction.scan import reconstruct_scan\n"
        "settings, source = ReconstructionSettings(), RawScan(projections='scan.h5')\n"
        "reconstruct_scan(source, Path('out/warm.zarr'), settings)\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))\n"
        "with stage('reconstruct_scan'):\n"
        "    reconstruct_scan(source, Path('out/reconstruction.zarr'), settings)\n"
    )
    result = subprocess.run(
        [sys.executable, "stage.py"], cwd=tmp_path, env=made.env, capture_output=True, text=True, check=False
    )
    assert result.returncode == 1
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["warm.zarr"]
    assert "File too large" in result.stderr


def test_a_changed_configuration_is_refused_before_the_first_job(tmp_path: Path) -> None:
    made = Pipeline(tmp_path)
    for path in (tmp_path / "cells" / "labels").iterdir():
        path.unlink()
    result = made.run()
    assert result.returncode != 0
    assert "nothing matches" in result.stdout + result.stderr and "cells.yaml" in result.stdout + result.stderr
    assert not (tmp_path / "results").exists()
