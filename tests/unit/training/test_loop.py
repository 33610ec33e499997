"""The loop step by step: averages, accumulation, clipping, stopping, what a bad run leaves behind."""

import csv
import math
import shutil
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import zarr
from tiny_training import TINY, equal, recipe_of, train

from scan2seg.checkpoint import load_checkpoint
from scan2seg.config.patching import PatchingSettings
from scan2seg.errors import InputError
from scan2seg.patches import extract_patches
from scan2seg.storage import open_store, read_json, write_json
from scan2seg.training.data import open_patches
from scan2seg.training.module import TrainingModule

State = dict[str, torch.Tensor]
PLAIN = {**TINY, "normalisation": "none"}


class KilledError(Exception):
    """Ends a run in the middle of an epoch."""


def copy_of(module: TrainingModule) -> State:
    return {name: value.detach().clone() for name, value in module.model.state_dict().items()}


def last_of(output: Path) -> State:
    return load_checkpoint(output / "last.pt")[0].state_dict()


def spy(monkeypatch: pytest.MonkeyPatch, method: str, see: Callable[[TrainingModule], None]) -> None:
    """Call ``see`` before a method of the module."""
    original = getattr(TrainingModule, method)

    def wrapper(self: TrainingModule, *arguments: Any, **keywords: Any) -> Any:
        see(self)
        return original(self, *arguments, **keywords)

    monkeypatch.setattr(TrainingModule, method, wrapper)


@pytest.mark.parametrize(
    "changes",
    [
        {"schedule": {"name": "plateau", "patience": 0}, "optimizer": {"learning_rate": 0.1}},
        {"training": {"average": "ema"}},
        {"training": {"average": "swa"}},
        {"training": {"early_stopping": 2}, "optimizer": {"learning_rate": 0.1}},
    ],
)
def test_an_interrupted_run_equals_an_undisturbed_one(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]
) -> None:
    recipe = recipe_of(**{**changes, "training": {"epochs": 7, **changes.get("training", {})}})
    whole = train(data, tmp_path / "whole", recipe)

    for epoch in (1, 2):

        def stop(module: TrainingModule, epoch: int = epoch) -> None:
            if module.current_epoch == epoch:
                raise KilledError

        with monkeypatch.context() as patch:
            spy(patch, "training_step", stop)
            with pytest.raises(KilledError):
                train(data, tmp_path / "cut", recipe)
    assert equal(whole, train(data, tmp_path / "cut", recipe))
    assert equal(last_of(tmp_path / "whole"), last_of(tmp_path / "cut"))
    ends = [read_json(tmp_path / name / "training.json") for name in ("whole", "cut")]
    assert ends[0]["epochs"] == ends[1]["epochs"] and ends[0]["best_epoch"] == ends[1]["best_epoch"]


def test_plateau_lowers_the_rate_after_every_epoch_that_is_no_better(data: Path, tmp_path: Path) -> None:
    schedule = {"name": "plateau", "patience": 0, "factor": 0.5}
    recipe = recipe_of(schedule=schedule, optimizer={"learning_rate": 0.3, "name": "sgd"}, training={"epochs": 7})
    train(data, tmp_path / "m", recipe)
    rows = list(csv.DictReader((tmp_path / "m" / "history.csv").open()))
    rate, best, lowered = 0.3, math.inf, 0
    for row in rows:
        assert float(row["learning_rate"]) == pytest.approx(rate)
        loss = float(row["validation_loss"])
        worse = loss >= best * (1 - 1e-4)
        rate, best, lowered = rate * (0.5 if worse else 1), min(best, loss), lowered + worse
    assert lowered


def test_the_last_quarter_is_averaged_and_what_is_validated_is_the_average(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends: list[State] = []
    validated: dict[int, State] = {}
    spy(monkeypatch, "on_train_epoch_end", lambda module: ends.append(copy_of(module)))
    spy(monkeypatch, "validation_step", lambda module: validated.setdefault(module.current_epoch, copy_of(module)))
    train(data, tmp_path / "m", recipe_of(training={"average": "swa", "epochs": 8}))
    assert len(ends) == 8 and all(equal(validated[epoch], ends[epoch]) for epoch in range(7))
    found = last_of(tmp_path / "m")
    assert equal(found, validated[7])
    for name, value in found.items():
        if value.is_floating_point():
            assert torch.allclose(value, (ends[6][name] + ends[7][name]) / 2, atol=1e-6)


def test_the_exponential_average_is_the_formula(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[State] = []
    spy(monkeypatch, "on_train_batch_end", lambda module: steps.append(copy_of(module)))
    train(data, tmp_path / "m", recipe_of(training={"average": "ema", "ema_decay": 0.6, "epochs": 2}))
    found = last_of(tmp_path / "m")
    for name in ("network.network.head.weight", "network.network.head.bias"):
        expected = steps[0][name]
        for count, step in enumerate(steps[1:], start=1):
            decay = min(0.6, (1 + count) / (10 + count))
            expected = decay * expected + (1 - decay) * step[name]
        assert torch.allclose(found[name], expected, atol=1e-6)


def test_accumulated_steps_are_one_step_of_the_larger_batch(data: Path, tmp_path: Path) -> None:
    def run(name: str, **training: Any) -> State:
        common = {"epochs": 2, "samples_per_epoch": 16, "monitor": "validation_loss", **training}
        recipe = recipe_of(
            architecture=PLAIN, augmentation=[], loss="cross_entropy", optimizer={"name": "sgd"}, training=common
        )
        train(data, tmp_path / name, recipe)
        return last_of(tmp_path / name)

    large, small = run("large", batch_size=8), run("small", batch_size=4, accumulate=2)
    assert all(torch.allclose(large[name], small[name], atol=1e-5) for name in large)
    assert not equal(large, run("other", batch_size=4))


def test_a_clipped_gradient_moves_the_weights_no_further(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[State] = []
    spy(monkeypatch, "on_train_batch_end", lambda module: steps.append(copy_of(module)))
    optimizer = {"name": "sgd", "momentum": 0, "learning_rate": 1.0}
    training = {"epochs": 1, "gradient_clipping": 1e-3}
    recipe = recipe_of(
        architecture=PLAIN, optimizer=optimizer, training=training, schedule={"name": "constant"}, augmentation=[]
    )
    train(data, tmp_path / "m", recipe)
    for before, after in pairwise(steps):
        moved = torch.stack([(after[name] - before[name]).norm() for name in after]).norm()
        assert float(moved) == pytest.approx(1e-3, rel=0.01)


def test_images_are_rotated_in_float32_where_the_network_runs_in_bfloat16(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def first_input(precision: str) -> torch.Tensor:
        seen: list[torch.Tensor] = []

        def watch(module: TrainingModule) -> None:
            module.model.network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].clone()))

        with monkeypatch.context() as patch:
            spy(patch, "on_train_start", watch)
            turn = [{"method": "affine", "rotation": 45, "zoom": 0.3, "probability": 1}]
            train(data, tmp_path / precision, recipe_of(augmentation=turn, training={"precision": precision}))
        return seen[0]

    assert torch.equal(first_input("float32"), first_input("bfloat16"))


def test_early_stopping_without_validation_images_watches_the_training_loss(data: Path, tmp_path: Path) -> None:
    split = read_json(data / "split.json")
    write_json(tmp_path / "split.json", {**split, "validation": []})
    patching = PatchingSettings(size=32, stride=8)
    extract_patches(data / "stack.zarr", tmp_path / "split.json", tmp_path / "patches.zarr", patching)
    changes = {"schedule": {"name": "plateau"}, "training": {"early_stopping": 1, "epochs": 2}}
    train(tmp_path, tmp_path / "m", recipe_of(**changes))
    assert read_json(tmp_path / "m" / "training.json")["epochs"] == 2


def test_a_time_budget_ends_training_before_the_epoch_that_would_exceed_it(data: Path, tmp_path: Path) -> None:
    train(data, tmp_path / "m", recipe_of(training={"epochs": 500, "time_budget_minutes": 1e-6}))
    assert read_json(tmp_path / "m" / "training.json")["epochs"] == 1
    assert (tmp_path / "m" / "last.pt").is_file()


def test_a_diverged_run_keeps_the_weights_of_its_best_epoch(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends: list[State] = []

    def spoil(module: TrainingModule) -> None:
        if len(ends) == 2:
            next(module.parameters()).data.fill_(float("nan"))
        ends.append(copy_of(module))

    spy(monkeypatch, "on_train_epoch_end", spoil)
    with pytest.raises(InputError, match=r"weights became .* in epoch 3.*of epoch [12], the best.*diverged.pt"):
        train(data, tmp_path / "m", recipe_of())
    kept = load_checkpoint(tmp_path / "m" / "diverged.pt")[0].state_dict()
    assert equal(kept, ends[0]) or equal(kept, ends[1])
    assert load_checkpoint(tmp_path / "m" / "diverged.pt")[1]["provenance"]["settings"]["seed"] == 0
    assert not (tmp_path / "m" / "checkpoint.pt").exists()
    train(data, tmp_path / "m", recipe_of())
    assert not (tmp_path / "m" / "diverged.pt").exists()


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory: you tried"),
    ],
)
def test_a_batch_that_does_not_fit_says_what_to_try(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(module: TrainingModule) -> None:
        raise error

    spy(monkeypatch, "training_step", fail)
    with pytest.raises(InputError, match=r"batch_size: 8 patches do not fit into memory; try 4"):
        train(data, tmp_path / "m", recipe_of())
    with pytest.raises(InputError, match=r"1 patches do not fit.*patching.size"):
        train(data, tmp_path / "m", recipe_of(training={"batch_size": 1}))


def test_another_error_is_not_called_a_shortage(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(module: TrainingModule) -> None:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    spy(monkeypatch, "training_step", fail)
    with pytest.raises(RuntimeError, match="mat1"):
        train(data, tmp_path / "m", recipe_of())


def test_a_class_that_no_training_patch_holds_is_told(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr("scan2seg.training.data.warn", lambda text, *values: told.append(text % values))
    open_patches(data / "patches.zarr", data / "split.json", None, "cpu")
    assert told == []
    store = open_store(data / "patches.zarr")
    histogram = np.asarray(store["histogram"]) * [1, 1, 0]
    copy = tmp_path / "patches.zarr"
    shutil.copytree(data / "patches.zarr", copy)
    zarr.open_group(copy, mode="r+")["histogram"][:] = histogram
    open_patches(copy, data / "split.json", 0, "cpu")
    assert told == ["no training patch holds c: the model cannot learn it"]
