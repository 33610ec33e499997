"""Two experiments in one results folder: what they have in common is made once, also when both run at once."""

import json
import subprocess
import time
from pathlib import Path

import pytest
from helpers import MODEL
from pipeline import Pipeline

FIRST = "datasets: [cells]\nmodels: [small, levels]\n"
# other names for the same, and one model of its own
SECOND = """
datasets: [{base: cells, name: nuclei}]
models: [{base: small, name: mine}, other]
"""


@pytest.fixture
def made(tmp_path: Path) -> Pipeline:
    pipeline = Pipeline(tmp_path)
    for name, text in (("first", FIRST), ("second", SECOND)):
        (tmp_path / "config/experiments" / f"{name}.yaml").write_text(text)
    (tmp_path / "config/models/small.yaml").write_text(
        MODEL.format(architecture="{method: unet, encoder: null, width: 4, depth: 2}").replace("epochs: 2", "epochs: 6")
    )
    return pipeline


def command(pipeline: Pipeline, name: str, *words: str) -> list[str]:
    return [word.replace("tiny.yaml", f"{name}.yaml") for word in pipeline.command(*words)]


def start(pipeline: Pipeline, name: str, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command(pipeline, name, *words), cwd=pipeline.folder, env=pipeline.env, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def check(pipeline: Pipeline) -> None:
    results = pipeline.folder / "results"
    assert len(list(results.glob("stacks/*"))) == 1
    assert sorted(path.name[:5] for path in results.glob("runs/*")) == ["level", "other", "small"]
    for name, dataset, model in (("first", "cells", "small"), ("second", "nuclei", "mine")):
        run = results / "reports" / name / "runs" / dataset / model / "seed0"
        assert json.loads((run / "training.json").read_text())["epochs"] == 6
        table = (results / "reports" / name / "scores.csv").read_text()
        assert f"{dataset},{model},seed0" in table
        dry = subprocess.run(
            command(pipeline, name, "-n"), cwd=pipeline.folder, env=pipeline.env, capture_output=True, text=True, check=False
        )  # fmt: skip
        assert "Nothing to be done" in dry.stdout + dry.stderr, dry.stdout[-2000:]
    assert not [path for path in results.rglob(".*") if path.name.endswith((".owner", ".partial"))]


# what the last test does too, whose first run is cut short
@pytest.mark.thorough
def test_one_after_the_other(made: Pipeline) -> None:
    for name in ("first", "second"):
        process = start(made, name)
        output, _ = process.communicate(timeout=560)
        assert process.returncode == 0, output[-4000:]
        assert output.count("rule train_model:") == (2 if name == "first" else 1)
    check(made)


@pytest.mark.slow
def test_both_at_once(made: Pipeline) -> None:
    processes = [start(made, name) for name in ("first", "second")]
    outputs = [process.communicate(timeout=560)[0] for process in processes]
    for process, output in zip(processes, outputs, strict=True):
        assert process.returncode == 0, output[-6000:]
    check(made)
    # both wanted the stack at the same moment: one made it, the other took it
    assert sum(output.count("made by process") for output in outputs) >= 1


@pytest.mark.slow
def test_a_run_that_lost_its_snakemake_is_taken_up_without_a_word(made: Pipeline) -> None:
    process = start(made, "first", "--until", "train_model")
    logs = made.folder / "results/logs/train_model"
    while process.poll() is None and not any("started" in path.read_text() for path in logs.rglob("*.log")):
        time.sleep(0.2)
    process.kill()
    process.wait()
    # its job may still run; the next command waits for it, or takes over where it is dead
    again = start(made, "first")
    output, _ = again.communicate(timeout=560)
    assert again.returncode == 0 and "unlock" not in output.lower(), output[-4000:]
    second = start(made, "second")
    output, _ = second.communicate(timeout=560)
    assert second.returncode == 0 and output.count("rule train_model:") == 1, output[-4000:]
    check(made)
