"""How far an experiment is, told from a results folder that is in the middle of it."""

import json
from pathlib import Path

import pytest

from scan2seg.catalogue.jobs import Job
from scan2seg.ownership import describe_process, owner_file
from scan2seg.run_commands import make_command
from scan2seg.status import find_status, word_status

JOBS = [Job("train_model", f"unet-01234567/seed{n}", f"runs/unet-01234567/seed{n}/checkpoint.pt") for n in range(6)]


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Six trainings: done, running, failed, killed, in the queue of Slurm, and not begun."""
    monkeypatch.chdir(tmp_path)
    results = Path("results")
    begun = "10:00:00 train_model: INFO started\n"
    epoch = "10:01:00 train_model: INFO epoch 3/30: train loss 0.5 (20.0 s, at most 540 s left)\n"
    write(results / JOBS[0].output, "x")
    write(results / JOBS[0].log, f"{begun}10:02:00 train_model: INFO finished in 60.0 s\n")
    write(owner_file(results / JOBS[1].output), json.dumps({**describe_process(), "slurm_job": "17"}))
    write(
        results / JOBS[1].log,
        begun + epoch + "10:01:40 train_model: INFO epoch 4/30: step 3 of 9 (2 s, about 3 s left)\n",
    )
    write(
        results / JOBS[2].log, f"{begun}10:01:00 train_model: ERROR cells.yaml: has no labels\nTraceback (most recent\n"
    )
    write(results / JOBS[3].log, begun + epoch)
    dead = {**describe_process(), "start": 0}
    write(owner_file(results / JOBS[3].output), json.dumps(dead))
    submission = {
        "job": "18", "run": "r", "log": "l", "rules": ["train_model"], "outputs": [str(results / JOBS[4].output)],
        "contents": [""], "submitted": 0.0,
    }  # fmt: skip
    write(Path(".snakemake/slurm_jobs/a.json"), json.dumps(submission))
    return results


def test_each_job_has_its_state(results: Path) -> None:
    found = find_status(JOBS, results)
    assert [status.state for status in found] == ["done", "running", "failed", "failed", "queued", "waiting"]
    assert found[1].note.startswith("epoch 3 of 30 done, at most ") and found[1].note.endswith(" min left")
    assert "Slurm job 17" in found[1].owner and found[4].owner == "Slurm job 18"
    assert found[2].note == "cells.yaml: has no labels"
    assert "as if killed" in found[3].note


def test_the_table_counts_a_stage_and_names_the_log_of_each_failure(results: Path) -> None:
    text = word_status(find_status(JOBS, results))
    assert text.splitlines()[1].split() == ["train_model", "1", "1", "1", "1", "2"]
    assert str(results / JOBS[2].log) in text and str(results / JOBS[3].log) in text
    assert str(results / JOBS[0].log) not in text


def test_run_adds_cores_only_where_the_options_do_not_say_where(tmp_path: Path) -> None:
    experiment = tmp_path / "tiny.yaml"
    write(experiment, "datasets: []\n")
    write(tmp_path / "Snakefile", "")
    for options, added in ((["-n"], True), (["--profile", "slurm"], False), (["-c2"], False), (["--cores=2"], False)):
        command = make_command(experiment, options, tmp_path)
        assert ("all" in command) is added
        assert command[-3:] == [options[-1], "--configfile", str(experiment)]
