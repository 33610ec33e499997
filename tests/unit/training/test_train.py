"""Training: seeds decide everything, a killed run equals an undisturbed one, bad runs say why."""

import csv
import itertools
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_training import equal, recipe_of, train

from scan2seg.checkpoint import load_checkpoint
from scan2seg.config.training import InferenceSettings
from scan2seg.errors import InputError
from scan2seg.inference.tiling import Predictor
from scan2seg.patches import extract_patches
from scan2seg.replicates import parse_replicate
from scan2seg.storage import create_array, creating, open_store, read_json, write_json


def train_count(data: Path) -> int:
    return int((np.asarray(open_store(data / "patches.zarr")["split"]) == 0).sum())


def test_a_seed_decides_the_weights(data: Path, tmp_path: Path) -> None:
    first = train(data, tmp_path / "1", recipe_of())
    assert equal(first, train(data, tmp_path / "2", recipe_of()))
    assert not equal(first, train(data, tmp_path / "3", recipe_of(), "seed1"))
    rows = list(csv.DictReader((tmp_path / "1" / "history.csv").open()))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert all(float(row["train_loss"]) > 0 and float(row["validation_mean_iou"]) >= 0 for row in rows)
    assert float(rows[-1]["train_loss"]) < float(rows[0]["train_loss"])
    for part in ("train", "validation"):
        assert all(0 < float(row[f"{part}_mean_iou"]) <= float(row[f"{part}_accuracy"]) <= 1 for row in rows)
    facts = read_json(tmp_path / "1" / "training.json")
    assert facts["epochs"] == 3 and facts["parameters"] > 0 and facts["flops"] > 0 and facts["best_epoch"] in (1, 2, 3)
    assert facts["devices"] == 1 and facts["steps"] == 3 * -(-train_count(data) // facts["batch_size"])
    scores = [float(row["validation_mean_iou"]) for row in rows]
    assert facts["monitor"] == "validation_mean_iou" and facts["validation_score"] == pytest.approx(max(scores))
    assert not (tmp_path / "1" / "training").exists()
    last = load_checkpoint(tmp_path / "1" / "last.pt")[0].state_dict()
    assert equal(last, first) == (facts["best_epoch"] == 3)


def test_a_checkpoint_knows_how_its_images_were_read_and_what_they_look_like(data: Path, tmp_path: Path) -> None:
    train(data, tmp_path, recipe_of(training={"epochs": 1}))
    description = load_checkpoint(tmp_path / "checkpoint.pt")[1]
    stack = open_store(data / "stack.zarr").attrs
    assert description["reading"] == stack["reading"] and description["reading"]["kind"] == "images"
    assert description["pixel_size"] == stack["pixel_size"]
    patches = open_store(data / "patches.zarr")
    known = np.asarray(patches["image"])[np.asarray(patches["split"]) == 0]
    for name, ranges in description["appearance"].items():
        low, high = ranges[0]
        assert low <= high, name
    low, high = description["appearance"]["level"][0]
    levels = np.median(known.reshape(len(known), -1), axis=1)
    assert levels.min() <= low <= high <= levels.max()


@pytest.mark.slow
def test_a_killed_run_goes_on_and_equals_an_undisturbed_one(data: Path, tmp_path: Path) -> None:
    recipe = recipe_of(training={"epochs": 6}, schedule={"name": "one_cycle"})
    undisturbed = train(data, tmp_path / "whole", recipe)
    script = (
        "import sys, json, torch; from pathlib import Path; from scan2seg.training.job import TrainingJob\n"
        "from scan2seg.training.train import train_model\n"
        "torch.set_num_threads(1)\n"
        "d, o, r = sys.argv[1:]; d = Path(d)\n"
        "recipe = Recipe.model_validate_json(r)\n"
        "train_model(TrainingJob(patches=d / 'patches.zarr', split=d / 'split.json', output=o, recipe=recipe))\n"
    )
    import json

    command = [sys.executable, "-c", script, str(data), str(tmp_path / "killed"), json.dumps(recipe.content())]
    state = tmp_path / "killed" / "training" / "last.ckpt"
    for _ in range(2):
        stamp = state.stat().st_mtime_ns if state.exists() else 0
        process = subprocess.Popen(command, env={**os.environ})
        for _ in range(600):
            if process.poll() is not None or (state.exists() and state.stat().st_mtime_ns != stamp):
                break
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not (tmp_path / "killed" / "checkpoint.pt").exists()
    resumed = train(data, tmp_path / "killed", recipe)
    rows = list(csv.DictReader((tmp_path / "killed" / "history.csv").open()))
    assert [row["epoch"] for row in rows] == list("123456")
    assert equal(undisturbed, resumed)


def test_a_run_killed_before_its_files_are_written_has_lost_nothing(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    joules = itertools.count(0, 5)
    monkeypatch.setattr("scan2seg.energy.read_counters", lambda device: [(float(next(joules)), 1e9)])
    whole = train(data, tmp_path / "whole", recipe_of())

    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("scan2seg.training.train.save_checkpoint", stop)
        with pytest.raises(KeyboardInterrupt):
            train(data, tmp_path / "cut", recipe_of())
    assert read_json(tmp_path / "whole" / "training.json")["energy_joules"] == 3 * 5.0
    # the second run has no epoch left to train
    monkeypatch.setattr("scan2seg.training.module.TrainingModule.training_step", stop)
    assert equal(whole, train(data, tmp_path / "cut", recipe_of()))
    rows = list(csv.DictReader((tmp_path / "cut" / "history.csv").open()))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    cost = read_json(tmp_path / "cut" / "training.json")
    assert (cost["energy_joules"], cost["energy_note"]) == (3 * 5.0, None)


def test_a_damaged_state_is_thrown_away(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("scan2seg.training.train.save_checkpoint", stop)
        with pytest.raises(KeyboardInterrupt):
            train(data, tmp_path / "cut", recipe_of())
    state = tmp_path / "cut" / "training" / "last.ckpt"
    state.write_bytes(state.read_bytes()[:5000])
    assert equal(train(data, tmp_path / "cut", recipe_of()), train(data, tmp_path / "whole", recipe_of()))


def test_a_network_on_volumes_trains_on_slabs_of_slices(tmp_path: Path) -> None:
    # discs drawn in one slice of three only say less than a network that sees all three can learn
    generator = np.random.default_rng(0)
    label = np.repeat(generator.random((8, 1, 16, 16)) < 0.5, 3, axis=1).reshape(24, 16, 16)
    image = np.where(np.arange(24)[:, None, None] % 3 == 1, label, 0.5).astype(np.float32)[:, None]
    with creating(tmp_path / "stack.zarr") as group:
        create_array(group, "image", image.shape, "float32")[:] = image
        create_array(group, "label", label.shape, "uint8")[:] = label.astype(np.uint8)
        group.create_array("size", data=np.array([[16, 16]] * 24, np.int32))
        groups = [str(index // 3) for index in range(24)]
        group.attrs.update({"classes": ["x", "y"], "labelled": True, "groups": groups, "provenance": {"created": "1"}})
        group.attrs["names"] = [str(index) for index in range(24)]
    parts = {"train": range(18), "validation": range(18, 21), "test": range(21, 24)}
    write_json(tmp_path / "split.json", {name: list(part) for name, part in parts.items()})
    recipe = recipe_of(
        architecture={"method": "unet_3d", "features": [8, 4, 4, 4, 8, 8]},
        patching={"size": 16, "depth": 3},
        augmentation=["flip"],
        training={"epochs": 25, "batch_size": 2},
    )
    patching = recipe.patching
    extract_patches(tmp_path / "stack.zarr", tmp_path / "split.json", tmp_path / "patches.zarr", patching)
    train(tmp_path, tmp_path / "m", recipe)
    assert read_json(tmp_path / "m" / "training.json")["flops"] > 0
    found = (
        Predictor(tmp_path / "m" / "checkpoint.pt", InferenceSettings())
        .predict(np.moveaxis(image[21:], 0, 1))
        .argmax(dim=0)
    )
    assert (found.numpy() == label[21:]).mean() > 0.95


def test_the_state_of_another_recipe_is_not_taken_up(data: Path, tmp_path: Path) -> None:
    clean = train(data, tmp_path / "clean", recipe_of())
    folder = tmp_path / "used"
    with pytest.raises(InputError, match="the loss became"):
        train(data, folder, recipe_of(optimizer={"learning_rate": 1e30, "name": "sgd"}))
    assert (folder / "training").is_dir()
    assert equal(clean, train(data, folder, recipe_of()))


def test_a_fold_trains_without_its_validation_images_and_never_sees_the_test_images(data: Path) -> None:
    from scan2seg.training.data import open_patches

    split = read_json(data / "split.json")
    origin = np.asarray(open_store(data / "patches.zarr")["origin"])[:, 0]
    assert set(origin).isdisjoint(split["test"])
    for fold in (0, 1):
        patches = open_patches(data / "patches.zarr", data / "split.json", fold, "cpu")
        trained, validated = set(origin[patches.train]), set(origin[patches.validation])
        assert trained.isdisjoint(validated) and trained == set(split["folds"][fold]["train"])


def test_normalisation_is_measured_on_training_patches_alone(data: Path, tmp_path: Path) -> None:
    state = train(data, tmp_path / "m", recipe_of(architecture="otsu"))
    store = open_store(data / "patches.zarr")
    image = np.asarray(store["image"])[np.asarray(store["split"]) == 0]
    assert state["normalisation.shift"].item() == pytest.approx(image.mean(), rel=1e-5)
    assert state["normalisation.scale"].item() == pytest.approx(image.std(), rel=1e-5)


@pytest.mark.parametrize("architecture", ["otsu", "kmeans", "random_forest"])
def test_classical_models_go_through_the_same_contract(data: Path, tmp_path: Path, architecture: str) -> None:
    train(data, tmp_path / "m", recipe_of(architecture=architecture))
    assert (tmp_path / "m" / "history.csv").read_text().count("\n") == 1
    facts = read_json(tmp_path / "m" / "training.json")
    assert facts["epochs"] == 0 and facts["threads"] == 1
    assert facts["batch_size"] is None and facts["steps"] is None
    image = np.asarray(open_store(data / "stack.zarr")["image"])[0]
    found = (
        Predictor(tmp_path / "m" / "checkpoint.pt", InferenceSettings(), precision="bfloat16")
        .predict(image)
        .argmax(dim=0)
    )
    truth = np.asarray(open_store(data / "stack.zarr")["label"])[0]
    assert (found.numpy() == truth).mean() > 0.9


@pytest.mark.parametrize(
    "changes",
    [
        {
            "schedule": {"name": "plateau", "patience": 0},
            "training": {"early_stopping": 1, "monitor": "validation_loss"},
        },
        {"schedule": {"name": "polynomial", "warmup_epochs": 1}, "optimizer": {"name": "sgd"}},
        {"training": {"sampling": "class_balanced", "class_weights": "inverse_frequency", "samples_per_epoch": 20}},
        {"training": {"accumulate": 2, "gradient_clipping": 1.0, "precision": "bfloat16"}, "loss": "bce"},
        {"training": {"average": "ema"}},
        {"training": {"average": "swa"}},
        {"weighting": ["unet_border"], "normalisation": {"method": "range", "channels": 3}},
    ],
)
def test_every_option_of_the_loop_trains(data: Path, tmp_path: Path, changes: dict[str, Any]) -> None:
    train(data, tmp_path / "m", recipe_of(**changes))
    assert (tmp_path / "m" / "checkpoint.pt").is_file()


def test_streaming_from_disk_gives_the_same_weights(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = train(data, tmp_path / "held", recipe_of())
    monkeypatch.setattr("scan2seg.training.data.MEMORY_SHARE", 0)
    assert equal(held, train(data, tmp_path / "streamed", recipe_of()))


def test_replicate_names() -> None:
    assert parse_replicate("seed3") == (3, None) and parse_replicate("fold2-seed0") == (0, 2)
    for name in ("seed", "fold-seed1", "2", "fold1"):
        with pytest.raises(InputError, match="must be like"):
            parse_replicate(name)


def test_a_classical_model_is_fitted_to_so_many_bytes_at_most() -> None:
    """1500 patches of 2048 x 2048 are 25 GB; the same patches are chosen on every machine."""
    from types import SimpleNamespace

    from scan2seg.training.train import FITTED_BYTES, FITTED_PATCHES, sample_patches

    def chosen(count: int, size: int) -> np.ndarray:
        shape = (count, 1, size, size)
        return sample_patches(SimpleNamespace(image=SimpleNamespace(shape=shape), train=np.arange(count)))

    assert 60 < len(chosen(1500, 2048)) <= FITTED_BYTES / 2048**2 / 4
    assert np.array_equal(chosen(1500, 64), np.arange(1500))
    assert len(chosen(10000, 64)) <= FITTED_PATCHES
