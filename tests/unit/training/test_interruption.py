"""A training that is killed or told to go within an epoch goes on there, and ends with the same weights."""

import csv
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_training import equal, recipe_of

from scan2seg.checkpoint import load_checkpoint
from scan2seg.config.recipe import Recipe
from scan2seg.storage import read_json
from scan2seg.training import interruption
from scan2seg.training.job import TrainingJob
from scan2seg.training.module import TrainingModule
from scan2seg.training.train import train_model

EPOCHS = 3
RECIPES: dict[str, dict[str, Any]] = {
    "plain": {
        "schedule": {"name": "one_cycle"},
        "architecture": {"method": "unet", "encoder": None, "width": 4, "depth": 2},
    },
    "ema": {"training": {"average": "ema"}},
    "swa": {"training": {"average": "swa"}},
    "accumulate": {"training": {"accumulate": 2, "sampling": "class_balanced"}},
    "plateau": {"schedule": {"name": "plateau", "patience": 0}, "optimizer": {"learning_rate": 0.1}},
}


class KilledError(Exception):
    """Stands in for SIGKILL."""


def recipe(name: str) -> Recipe:
    changes = RECIPES[name]
    return recipe_of(**{**changes, "training": {"epochs": EPOCHS, "batch_size": 4, **changes.get("training", {})}})


def train(data: Path, output: Path, name: str, minutes: float = 10) -> None:
    patches, split = data / "patches.zarr", data / "split.json"
    train_model(
        TrainingJob(patches=patches, split=split, output=output, recipe=recipe(name), checkpoint_minutes=minutes)
    )


class Steps:
    """Counts the steps of all parts of a run, and disturbs it before one of them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count, self.moment, self.disturb = 0, -1, lambda: None
        step = TrainingModule.training_step

        def counted(module: TrainingModule, batch: Any, number: int) -> Any:
            if self.count == self.moment:
                self.moment = -1
                self.disturb()
            self.count += 1
            return step(module, batch, number)

        monkeypatch.setattr(TrainingModule, "training_step", counted)


def check_equal(whole: Path, cut: Path) -> None:
    for name in ("checkpoint.pt", "last.pt"):
        one, two = (load_checkpoint(folder / name)[0].state_dict() for folder in (whole, cut))
        assert equal(one, two), name
    rows = [list(csv.DictReader((folder / "history.csv").open())) for folder in (whole, cut)]
    plain = [[{key: value for key, value in row.items() if key != "seconds"} for row in each] for each in rows]
    assert plain[0] == plain[1]
    assert not (cut / "training").exists()


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Steps:
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    return Steps(monkeypatch)


@pytest.mark.parametrize("name", RECIPES)
def test_a_signal_costs_no_step(
    data: Path, tmp_path: Path, steps: Steps, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interruption, "WORTH", 0.0)
    train(data, tmp_path / "whole", name)
    total, steps.count = steps.count, 0
    moments = np.random.default_rng(len(name)).choice(np.arange(1, total - 1), 2, replace=False)
    for moment, number in zip(sorted(moments.tolist()), interruption.SIGNALS, strict=True):
        steps.moment, steps.disturb = moment, lambda number=number: os.kill(os.getpid(), number)
        with pytest.raises(SystemExit) as ended:
            train(data, tmp_path / "cut", name)
        assert ended.value.code == 128 + number
    train(data, tmp_path / "cut", name)
    # after the last step that a state could be of, which is here always kept, comes the validation
    per_epoch, accumulate = total // EPOCHS, recipe(name).training.accumulate
    final, again = (per_epoch - 1) // accumulate * accumulate, 0
    for moment in sorted(moments.tolist()):
        again += (per_epoch - final) * int((moment - again) % per_epoch >= final)
    assert steps.count - total == again
    check_equal(tmp_path / "whole", tmp_path / "cut")
    assert signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL


def test_a_kill_costs_what_was_done_since_the_last_state(data: Path, tmp_path: Path, steps: Steps) -> None:
    train(data, tmp_path / "whole", "plain")
    total, steps.count = steps.count, 0

    def kill() -> None:
        raise KilledError

    for moment in np.random.default_rng(1).choice(np.arange(2, total), 4, replace=False):
        steps.moment, steps.disturb, steps.count = int(moment), kill, steps.count
        if steps.moment < steps.count:
            continue
        with pytest.raises(KilledError):
            train(data, tmp_path / "cut", "plain", minutes=0)
    train(data, tmp_path / "cut", "plain", minutes=0)
    # a state before every step: nothing is done twice
    assert steps.count == total
    check_equal(tmp_path / "whole", tmp_path / "cut")
    assert read_json(tmp_path / "cut" / "training.json")["steps"] == total


@pytest.mark.parametrize(("state", "asked"), [("RUNNING", True), ("CANCELLED", False), (None, False)])
def test_a_job_that_was_cancelled_is_not_put_back_into_the_queue(
    monkeypatch: pytest.MonkeyPatch, state: str | None, asked: bool
) -> None:
    calls: list[list[str]] = []
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setattr(interruption, "ask_state", lambda job: state)

    def run(command: list[str], **_: Any) -> Any:
        calls.append(command)
        return type("Result", (), {"returncode": 0, "stderr": ""})

    monkeypatch.setattr(interruption.subprocess, "run", run)
    interruption.requeue()
    assert calls == ([["scontrol", "requeue", "7"]] if asked else [])
