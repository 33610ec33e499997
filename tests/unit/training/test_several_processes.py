"""Several processes: the result of one, an end that is the same for all, and no process left behind."""

import csv
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch
import zarr
from helpers import make_images
from pydantic import ValidationError
from tiny_training import train_on

from scan2seg.checkpoint import load_checkpoint
from scan2seg.config.dataset import Dataset
from scan2seg.config.model import Model
from scan2seg.config.patching import PatchingSettings
from scan2seg.config.recipe import Recipe
from scan2seg.errors import InputError
from scan2seg.logging import LOGGER
from scan2seg.patches import extract_patches
from scan2seg.split import split_stack
from scan2seg.stack import assemble_stack
from scan2seg.storage import read_json
from scan2seg.training import data as training_data
from scan2seg.training import launcher
from scan2seg.training.data import BatchLoader, open_patches
from scan2seg.training.job import TrainingJob
from scan2seg.training.train import train_model


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make 15 training and 3 validation patches: odd numbers, which two processes cannot share evenly."""
    folder = tmp_path_factory.mktemp("data")
    make_images(folder, count=22, size=32)
    source: dict[str, Any] = {"kind": "images", "images": "images/*", "labels": "labels/*"}
    source["label_values"] = {"a": 0, "b": 100, "c": 200}
    content: dict[str, Any] = {"name": "d", "source": source, "classes": ["a", "b", "c"]}
    content["split"] = {"strategy": "random", "counts": {"train": 15, "validation": 3, "test": 4}}
    dataset = Dataset.model_validate(content, context={"folder": str(folder)})
    assemble_stack(dataset.stack_source(), folder / "stack.zarr", classes=dataset.classes)
    split_stack(folder / "stack.zarr", folder / "split.json", dataset.split)
    patching = PatchingSettings(size=32, stride=32)
    extract_patches(folder / "stack.zarr", folder / "split.json", folder / "patches.zarr", patching)
    return folder


def recipe_of(devices: int, training: dict[str, Any] | None = None, **changes: Any) -> Recipe:
    content: dict[str, Any] = {
        "name": "m",
        "architecture": {"method": "unet", "encoder": None, "width": 4, "depth": 2, "normalisation": "none"},
        "optimizer": {"name": "sgd", "learning_rate": 0.05},
        "training": {"epochs": 12, "batch_size": 4, "precision": "float32", "device": "cpu", "devices": devices},
        "resources": {"gpus": 0},
    }
    content["training"] |= training or {}
    return Model.model_validate({**content, **changes}).recipe()


def job_of(data: Path, output: Path) -> TrainingJob:
    patches, split = data / "patches.zarr", data / "split.json"
    return TrainingJob(patches=patches, split=split, output=output, recipe=recipe_of(2))


def train(data: Path, output: Path, recipe: Recipe) -> dict[str, torch.Tensor]:
    train_on(data, output, recipe)
    return load_checkpoint(output / "checkpoint.pt")[0].state_dict()


def rows_of(output: Path) -> list[list[float]]:
    with (output / "history.csv").open() as file:
        return [[float(value) for value in list(row.values())[:-1]] for row in csv.DictReader(file)]


@pytest.mark.slow
def test_two_processes_killed_and_resumed_give_what_one_gives(
    data: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = train(data, tmp_path / "one", recipe_of(1))
    job = job_of(data, tmp_path / "two")
    script = (
        "import sys; from scan2seg.training.job import TrainingJob; from scan2seg.training.launcher import launch\n"
    )
    script += "launch(TrainingJob.model_validate_json(sys.argv[1]), 2, 'cpu')\n"
    place = {**os.environ, "TMPDIR": str(tmp_path)}
    parent = subprocess.Popen([sys.executable, "-c", script, job.model_dump_json()], env=place)
    state = tmp_path / "two" / "training" / "last.ckpt"
    # the first is kept before the validation of its epoch, which would then be done, and told of, after the kill
    kept: set[int] = set()
    while parent.poll() is None and len(kept) < 2:
        kept |= {state.stat().st_mtime_ns} if state.exists() else set()
        time.sleep(0.02)
    workers = psutil.Process(parent.pid).children()
    open_to = {end.laddr.ip for worker in workers for end in worker.net_connections("tcp")}
    assert open_to and open_to <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}
    parent.kill()
    parent.wait()
    assert len(workers) == 2 and not psutil.wait_procs(workers, timeout=10)[1]
    assert not list(tmp_path.glob("scan2seg-*"))
    assert not (tmp_path / "two" / "checkpoint.pt").exists()

    monkeypatch.setattr(LOGGER, "handlers", [caplog.handler])
    monkeypatch.setattr(LOGGER, "propagate", False)
    caplog.set_level(logging.INFO, LOGGER.name)
    caplog.clear()  # the training in one process told of its first epoch
    two = train(data, tmp_path / "two", recipe_of(2))
    assert caplog.text.count("going on from the last state") == 1
    assert "epoch 12/12" in caplog.text and "epoch 1/12" not in caplog.text
    for name in one:
        assert torch.allclose(one[name], two[name], rtol=1e-4, atol=1e-6), name
    assert np.allclose(rows_of(tmp_path / "one"), rows_of(tmp_path / "two"), rtol=1e-4)
    alone, together = (read_json(tmp_path / name / "training.json") for name in ("one", "two"))
    assert alone["best_epoch"] == together["best_epoch"] and together["devices"] == 2
    assert sorted(path.name for path in (tmp_path / "two").iterdir()) == sorted(
        path.name for path in (tmp_path / "one").iterdir()
    )


@pytest.mark.slow
def test_the_options_that_processes_must_agree_on(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # as in a Slurm job of one task, where Lightning would expect one process
    for name, value in {"NTASKS": "1", "JOB_ID": "7", "JOB_NAME": "train", "PROCID": "0", "LOCALID": "0"}.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    training = {
        "epochs": 30,
        "batch_size": 2,
        "early_stopping": 1,
        "monitor": "validation_loss",
        "average": "ema",
        "accumulate": 2,
    }
    training |= {"sampling": "class_balanced", "samples_per_epoch": 7, "gradient_clipping": 1.0}
    training |= {"time_budget_minutes": 5.0}
    architecture = {"method": "unet", "encoder": None, "width": 4, "depth": 2, "dropout": 0.2}
    recipe = recipe_of(
        2,
        training,
        architecture=architecture,
        augmentation=["flip", "rotate90", "brightness"],
        loss=["cross_entropy", "dice"],
        schedule={"name": "plateau", "patience": 0},
        optimizer={"learning_rate": 0.1},
    )
    state = train(data, tmp_path / "m", recipe)
    assert all(torch.isfinite(tensor).all() for tensor in state.values())
    assert 2 <= len(rows_of(tmp_path / "m")) < 30


@pytest.mark.slow
def test_the_error_of_one_process_is_the_error_of_all(data: Path, tmp_path: Path) -> None:
    store = tmp_path / "patches.zarr"
    shutil.copytree(data / "patches.zarr", store)
    patches = open_patches(store, data / "split.json", None, "cpu")
    # the second of the first step is the second process's
    index = int(BatchLoader(patches, patches.train, 4, seed=0).order()[1])
    image: Any = zarr.open_group(str(store), mode="r+")["image"]
    image[index] = np.nan
    before = psutil.Process().children()  # such as the browser of other tests
    recipe = recipe_of(2, normalisation={"method": "none"})
    job = TrainingJob(patches=store, split=data / "split.json", output=tmp_path / "m", recipe=recipe)
    with pytest.raises(InputError, match=r"the loss became nan in epoch 1, step 1.*cell_"):
        train_model(job)
    assert [path.name for path in (tmp_path / "m").iterdir()] == ["training"]
    assert psutil.Process().children() == before


@pytest.mark.parametrize("world", [2, 3, 4])
def test_processes_share_every_batch(data: Path, world: int) -> None:
    patches = open_patches(data / "patches.zarr", data / "split.json", None, "cpu")
    whole = BatchLoader(patches, patches.train, 12, seed=3)
    parts = []
    for rank in range(world):
        part = BatchLoader(patches, patches.train, 12, seed=3)
        part.rank, part.world = rank, world
        parts.append(part.shares())
        assert len(part) == len(whole) == len(parts[-1])
    for step, (batch, weight) in enumerate(whole.shares()):
        assert weight == 1.0
        shares = [part[step] for part in parts]
        assert sorted(batch) == sorted(index for own, weight in shares if weight for index in own)
        values = np.arange(100.0) ** 2
        mean = np.mean([weight * values[own].mean() for own, weight in shares])
        assert mean == pytest.approx(values[batch].mean())
        assert all(own.size for own, _ in shares)


def test_every_process_counts_in_the_choice_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    size = int(0.3 * psutil.virtual_memory().available)
    assert training_data._choose_place(size, "cpu") == "memory"
    monkeypatch.setattr(training_data, "world", lambda: 2)
    assert training_data._choose_place(size, "cpu") == "disk"


FAKE = """
import json, sys, time
rank = json.loads(sys.stdin.readline())["rank"]
print(json.dumps({"level": 20, "message": f"here is {rank}"}), flush=True)
"""


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Put a short script in the place of the worker."""

    def write(rest: str) -> None:
        (tmp_path / "fake_worker.py").write_text(FAKE + rest)
        monkeypatch.setenv("PYTHONPATH", f"{os.environ.get('PYTHONPATH', '')}{os.pathsep}{tmp_path}")
        monkeypatch.setattr(launcher.worker, "__name__", "fake_worker")

    return write


def test_a_crash_says_why_and_ends_all(fake: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = psutil.Process().children()  # such as the browser of other tests
    monkeypatch.setattr(launcher, "GRACE_SECONDS", 0.3)
    fake("if rank == 1: raise OSError('no such thing')\ntime.sleep(60)")
    with pytest.raises(RuntimeError, match="training process 2 of 3: OSError: no such thing") as caught:
        launcher.launch(job_of(tmp_path, tmp_path), 3, "cpu")
    assert "Traceback" in "".join(caught.value.__notes__)
    fake("import os\nif rank == 0: os.kill(os.getpid(), 9)\ntime.sleep(0.3); sys.exit('lost the other')")
    with pytest.raises(RuntimeError, match=r"process 1 of 2: was killed by signal 9 .*resources.mem_mb"):
        launcher.launch(job_of(tmp_path, tmp_path), 2, "cpu")
    assert psutil.Process().children() == before


def test_a_terminated_stage_ends_its_processes_and_logs_what_they_said(fake: Any, tmp_path: Path) -> None:
    fake("time.sleep(60)")
    script = (
        "import sys; from scan2seg.logging import stage; from scan2seg.training import launcher\n"
        "from scan2seg.training.job import TrainingJob; job = TrainingJob.model_validate_json(sys.argv[2])\n"
        "launcher.worker.__name__ = 'fake_worker'\n"
        "with stage('t', sys.argv[1]): launcher.launch(job, 2, 'cpu')\n"
    )
    log = tmp_path / "log"
    job = job_of(tmp_path, tmp_path).model_dump_json()
    process = subprocess.Popen([sys.executable, "-c", script, str(log), job])
    while process.poll() is None and not (log.exists() and log.read_text().count("here is") == 2):
        time.sleep(0.02)
    workers = psutil.Process(process.pid).children()
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=10) == 128 + signal.SIGTERM and len(workers) == 2
    assert not any(worker.is_running() for worker in workers)


def test_the_configuration_says_what_does_not_fit() -> None:
    with pytest.raises(ValidationError, match=r"batch_size: 6 is the total.*devices: 4; set batch_size to 8"):
        recipe_of(4, {"batch_size": 6})
    with pytest.raises(ValidationError, match=r"training.devices: 2 needs a GPU each, resources.gpus: 1"):
        recipe_of(2, resources={"gpus": 1})
    assert recipe_of(2, resources={"gpus": 2}).training.devices == 2


def test_a_machine_with_too_few_gpus_is_named(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(InputError, match=r"training.devices: 2, but torch sees 1 GPU"):
        train(data, tmp_path / "m", recipe_of(2, {"device": "cuda"}))


SRUN = """#!/bin/sh
while case $1 in -*) true ;; *) false ;; esac; do
  case $1 in --nodelist=*) export SLURMD_NODENAME="${1#--nodelist=}" ;; esac
  shift
done
exec "$@"
"""


@pytest.mark.slow
def test_processes_on_the_nodes_of_a_slurm_job_give_what_those_of_one_machine_give(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = train(data, tmp_path / "here", recipe_of(2))
    with pytest.raises(InputError, match=r"training.nodes: 2, but this job has 1; run it on Slurm"):
        train_on(data, tmp_path / "there", recipe_of(2, {"nodes": 2}))
    nodes = '#!/bin/sh\ntest "$3" = "node[1-2]" && printf "one\\ntwo\\n"'
    for name, script in (("srun", SRUN), ("scontrol", nodes), ("squeue", '#!/bin/sh\necho "node[1-2]"')):
        (tmp_path / name).write_text(script)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("SLURM_JOB_ID", "1")
    there = train(data, tmp_path / "there", recipe_of(2, {"nodes": 2}))
    assert all(torch.equal(value, there[name]) for name, value in here.items())
    assert read_json(tmp_path / "there" / "training.json")["nodes"] == ["one", "two"]
    assert not list((tmp_path / "there").glob(".scan2seg-*"))


def test_devices_and_their_gpus_are_as_many_on_each_node() -> None:
    with pytest.raises(ValidationError, match=r"devices: 3 is the total of all nodes.*nodes: 2; set devices to 4"):
        recipe_of(3, {"nodes": 2, "batch_size": 6})
    with pytest.raises(ValidationError, match=r"training.devices: 4 needs a GPU each, resources.gpus: 3; set both"):
        recipe_of(4, {"nodes": 2}, resources={"gpus": 3})
