"""A trial trains, scores on validation patches and leaves one small file; one that fails says why."""

import csv
from pathlib import Path
from typing import Any

import pytest
import yaml
from helpers import make_images
from tiny_training import train_on

from scan2seg.config.components import load_component
from scan2seg.config.dataset import Dataset
from scan2seg.config.model import Model
from scan2seg.config.patching import PatchingSettings
from scan2seg.config.study import TrialSettings
from scan2seg.errors import InputError
from scan2seg.patches import extract_patches
from scan2seg.split import split_stack
from scan2seg.stack import assemble_stack
from scan2seg.storage import open_store, read_json, write_json
from scan2seg.training.job import TrainingJob
from scan2seg.training.train import train_model
from scan2seg.tuning import trial as trial_module
from scan2seg.tuning.comparison import compare_trials
from scan2seg.tuning.trial import tune_model


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    make_images(folder, count=10)
    source = {
        "kind": "images", "images": "images/*", "labels": "labels/*", "label_values": {"a": 0, "b": 100, "c": 200},
    }  # fmt: skip
    context = {"folder": str(folder)}
    dataset = Dataset.model_validate({"name": "d", "source": source, "classes": ["a", "b", "c"]}, context=context)
    assemble_stack(dataset.stack_source(), folder / "stack.zarr", classes=dataset.classes)
    split_stack(folder / "stack.zarr", folder / "split.json", dataset.split)
    extract_patches(folder / "stack.zarr", folder / "split.json", folder / "patches.zarr", PatchingSettings(size=32))
    return folder


def model_of(architecture: Any = None) -> Model:
    content = {
        "name": "small",
        "architecture": architecture or {"method": "unet", "encoder": None, "width": 4, "depth": 2},
        "patching": {"size": 32},
        "training": {"epochs": 2, "batch_size": 8, "precision": "float32"},
        "inference": {"flips": True},
    }
    return Model.model_validate(content)


def tune(data: Path, folder: Path, values: dict[str, Any], model: Model | None = None, name: str = "patches.zarr") -> dict[str, Any]:  # fmt: skip
    own = name == "stack.zarr"
    job = {"seed": 0, "recipe": (model or model_of()).recipe().content(), "own_patches": own, "values": values}
    identity = {"dataset": "d", "study": "rates", "trial": folder.name}
    settings = TrialSettings.model_validate(job)
    tune_model(data / name, data / "split.json", folder / "trial.json", settings, identity=identity)
    assert [path.name for path in folder.iterdir()] == ["trial.json"]
    return read_json(folder / "trial.json")


def test_a_trial_has_the_score_of_the_same_training(data: Path, tmp_path: Path) -> None:
    values = {"optimizer.learning_rate": 0.01, "loss": ["cross_entropy", {"method": "dice", "weight": 0.5}]}
    result = tune(data, tmp_path / "a", values)
    recipe = Model.model_validate({**model_of().model_dump(), "optimizer": {"learning_rate": 0.01}, "loss": values["loss"]}).recipe()  # fmt: skip
    train_on(data, tmp_path / "run", recipe)
    rows = csv.DictReader((tmp_path / "run/history.csv").read_text().splitlines())
    best = max(float(row["validation_mean_iou"]) for row in rows)
    assert result["score"] == pytest.approx(best, abs=1e-6) and result["state"] == "finished"
    assert result["values"] == values and result["epochs"] == len(result["history"]) == 2
    assert tune(data, tmp_path / "b", values)["score"] == result["score"]


def test_a_trial_cuts_its_own_patches_once_where_their_size_is_searched(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def train(job: TrainingJob) -> None:
        seen.append((open_store(job.patches).attrs["size"], job.patches.stat().st_ino))
        if len(seen) == 1:
            raise KeyboardInterrupt
        train_model(job)

    monkeypatch.setattr(trial_module, "train_model", train)
    with pytest.raises(KeyboardInterrupt):
        tune(data, tmp_path / "a", {"patching.size": 16}, name="stack.zarr")
    result = tune(data, tmp_path / "a", {"patching.size": 16}, name="stack.zarr")
    assert seen[0][0] == [16, 16] and result["score"] > 0
    assert seen[0] == seen[1], "a killed trial goes on with the patches it has cut, or its training would start anew"


def test_a_classical_model_is_scored_too(data: Path, tmp_path: Path) -> None:
    result = tune(data, tmp_path / "a", {"normalisation.method": "scale"}, model_of("otsu"))
    assert result["state"] == "finished" and 0 < result["score"] <= 1 and result["best_epoch"] is None


def test_a_training_that_diverges_is_a_failed_trial_with_its_reason(data: Path, tmp_path: Path) -> None:
    result = tune(data, tmp_path / "a", {"optimizer.name": "sgd", "optimizer.learning_rate": 1e30})
    assert result["state"] == "failed" and result["score"] is None
    assert "the loss became" in result["reason"]


def test_what_no_value_is_to_blame_for_stops_the_trial(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill_the_disk(*arguments: Any, **keywords: Any) -> None:
        try:
            raise OSError(28, "No space left on device")
        except OSError:
            raise InputError("the disk is full") from None

    monkeypatch.setattr(trial_module, "train_model", fill_the_disk)
    with pytest.raises(InputError, match="disk is full"):
        tune(data, tmp_path / "a", {"optimizer.learning_rate": 0.1})
    settings = TrialSettings(seed=0, recipe=model_of().recipe(), own_patches=False)
    split = {**read_json(data / "split.json"), "validation": []}
    write_json(tmp_path / "split.json", split)
    with pytest.raises(InputError, match=r"raise split\.fractions\.validation"):
        tune_model(data / "patches.zarr", tmp_path / "split.json", tmp_path / "trial.json", settings)


def result_of(score: float | None, size: int, monitor: str = "validation_mean_iou") -> dict[str, Any]:
    return {
        "dataset": "d", "study": "rates", "trial": f"trial{size}", "monitor": monitor, "score": score, "seconds": 1.0,
        "state": "failed" if score is None else "finished", "best_epoch": 1, "epochs": 2, "reason": "diverged",
        "values": {"patching.size": size, "loss": ["dice"]},
    }  # fmt: skip


def compare(folder: Path, results: list[dict[str, Any]]) -> tuple[Model, list[str]]:
    paths = [folder / str(number) / "trial.json" for number in range(len(results))]
    for path, result in zip(paths, results, strict=True):
        write_json(path, result)
    compare_trials(paths, folder / "study.csv", folder / "best.yaml", model_of())
    model, _ = load_component("models", Model, "./best.yaml", folder)
    return model, (folder / "study.csv").read_text().splitlines()


def test_the_best_trial_becomes_a_complete_model_file(tmp_path: Path) -> None:
    model, lines = compare(tmp_path, [result_of(0.4, 8), result_of(0.6, 16), result_of(None, 32)])
    assert model.name == "rates" and model.patching.size == 16 and model.loss[0].method == "dice"
    assert model.inference.flips
    assert set(yaml.safe_load((tmp_path / "best.yaml").read_text())) == set(Model.model_fields)
    assert lines[0].endswith("reason,patching.size,loss") and len(lines) == 4
    assert ",failed," in lines[3] and lines[3].endswith('32,"[""dice""]"')


def test_of_losses_the_smallest_is_best_and_without_any_the_study_fails(tmp_path: Path) -> None:
    model, _ = compare(tmp_path, [result_of(0.4, 8, "validation_loss"), result_of(0.6, 16, "validation_loss")])
    assert model.patching.size == 8
    with pytest.raises(InputError, match="every trial failed; the first one: diverged"):
        compare(tmp_path, [result_of(None, 8), result_of(None, 16)])
