"""Studies are checked before the first job: settings, keys, and every value on the model itself."""

from pathlib import Path

import pytest
import yaml
from helpers import DATASET, MODEL, make_images

from scan2seg.config.check import check_file
from scan2seg.config.experiment import load_experiment
from scan2seg.config.problems import ConfigurationError
from scan2seg.config.study import Study, put_values

SPACE = {
    "optimizer.learning_rate": {"low": 1e-4, "high": 1e-2, "log": True},
    "architecture.dropout": {"values": [0, 0.2]},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_images(tmp_path)
    (tmp_path / "cells.yaml").write_text(DATASET.format(folder="."))
    (tmp_path / "small.yaml").write_text(MODEL.format(architecture="{method: unet, encoder: null, width: 4, depth: 2}"))
    return tmp_path


def write(folder: Path, **changes) -> Path:
    settings = {"model": "./small.yaml", "trials": 3, "space": SPACE, **changes}
    settings = {key: value for key, value in settings.items() if value is not None}
    content = {"datasets": ["./cells.yaml"], "studies": {"rates": settings}}
    (folder / "try.yaml").write_text(yaml.safe_dump(content))
    return folder / "try.yaml"


def study_of(folder: Path, **changes) -> Study:
    return load_experiment(write(folder, **changes)).studies["rates"]


def grid(**space) -> dict:
    return {"sampler": "grid", "trials": None, "space": {key.replace("__", "."): value for key, value in space.items()}}


def test_a_study_without_models_is_valid(folder: Path) -> None:
    assert "1 studies of 3 trials" in check_file(write(folder))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"trials": None}, "studies.rates: trials: is missing"),
        ({"trials": 0}, "studies.rates.trials = 0"),
        ({"space": {}}, "space: is empty"),
        ({"space": {"optimzer.learning_rate": {"low": 0.1, "high": 0.2}}}, "unknown key; did you mean 'optimizer'"),
        ({"space": {"optimizer.learning_rat": {"low": 0.1, "high": 0.2}}}, "did you mean 'learning_rate'"),
        ({"space": {"architecture.widht": {"low": 1, "high": 2}}}, "did you mean 'width'"),
        ({"space": {"loss.3.weight": {"low": 1, "high": 2}}}, "space.loss.3.weight = 1: there is no such place"),
        ({"space": {"training.batch_size": {"low": 0, "high": 8}}}, "training.batch_size = 0: Input should be greater"),
        ({"space": {"training.batch_size": {"low": 8, "high": 8.5}}}, "training.batch_size = 8.5: Input should be"),
        ({"space": {"loss": {"values": ["dice", "dise"]}}}, "unknown losses plugin 'dise'"),
        ({"space": {"loss": {"values": [["dice", "dise"]]}}}, "space.loss = ['dice', 'dise']: loss.1: unknown losses"),
        ({"space": {"optimizer.weight_decay": {"low": 0, "high": 1, "log": True}}}, "log: true needs low: above 0, not 0"),
        ({"space": {"optimizer.weight_decay": {"low": 1, "high": 0}}}, "low: 1 is not below high: 0"),
        ({"space": {"optimizer.weight_decay": {"low": 0, "high": 1, "values": [1]}}}, "not both"),
        ({"space": {"optimizer.weight_decay": {"low": 0}}}, "give low: and high:"),
        ({"space": {"training.batch_size": {"values": [8, 8]}}}, "none twice"),
        ({"space": {"training.monitor": {"values": ["validation_loss"]}}}, "set training.monitor in the model"),
        ({"space": {"inference.flips": {"values": [True, False]}}}, "has no part in a trial"),
        ({"model": {"base": "./small.yaml", "training": {"monitor": "validation_loss"}}, "space": {"loss": {"values": ["dice"]}}},
         "changes what the validation loss means"),
        ({"sampler": "grid", "trials": None}, "space.optimizer.learning_rate: a grid needs values: or step:"),
        ({**grid(training__batch_size={"low": 1, "high": 9}), "trials": 3}, "all of its 9 points"),
        ({"model": "./gone.yaml"}, "gone.yaml"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_key_value_and_remedy(folder: Path, changes: dict, expected: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        check_file(write(folder, **changes))
    assert expected in str(caught.value)
    assert str(folder) in str(caught.value)


def test_a_grid_holds_every_point_once_and_new_points_leave_the_others(folder: Path) -> None:
    sizes, rates = [4, 8, 16], [0.1, 0.2, 0.3]
    searched = {
        "training__batch_size": {"values": sizes},
        "architecture__dropout": {"low": 0.1, "high": 0.3, "step": 0.1},
    }
    study = study_of(folder, **grid(**searched))
    names = study.trials()
    points = [study.job(name)["values"] for name in names]
    found = {(point["training.batch_size"], point["architecture.dropout"]) for point in points}
    assert found == {(size, rate) for size in sizes for rate in rates} and len(names) == len(set(names)) == 9
    more = study_of(folder, **grid(**{**searched, "training__batch_size": {"values": [2, *sizes]}}))
    assert set(names) < set(more.trials()) and all(more.job(name) == study.job(name) for name in names)


def test_more_trials_change_no_earlier_one_and_rounds_learn_from_the_rounds_before(folder: Path) -> None:
    few, many = (study_of(folder, trials=count, startup=2, parallel=3) for count in (6, 9))
    for name in few.trials():
        assert few.job(name) == many.job(name) and few.earlier(name) == many.earlier(name)
    assert [len(many.earlier(name)) for name in many.trials()] == [0, 0, 2, 2, 2, 5, 5, 5, 8]
    assert not study_of(folder, sampler="random", startup=1).earlier("trial2")


def test_values_go_to_lists_and_a_new_method_drops_the_settings_of_the_old() -> None:
    content = {"loss": [{"method": "dice", "smooth": 1, "weight": 1}], "training": {"epochs": 2}}
    changed = put_values(content, {"loss.0.weight": 3, "training.epochs": 5, "loss.0.method": "focal"})
    assert changed == {"loss": [{"method": "focal", "weight": 3}], "training": {"epochs": 5}}
    assert content["loss"][0]["weight"] == 1
