"""The shipped configuration: every file is valid, with data of the published kind where the data itself is not here."""

import re
from pathlib import Path

import pytest
from helpers import data_folder

from scan2seg.config.check import check_file
from scan2seg.config.components import load_component
from scan2seg.config.dataset import Dataset
from scan2seg.config.experiment import load_experiment
from scan2seg.config.model import Model
from scan2seg.validation import check_data

CONFIG = Path(__file__).parents[3] / "config"
EXPERIMENTS = sorted(path.stem for path in (CONFIG / "experiments").glob("*.yaml"))
REAL = ("dsb2018", "super1", "ebc2", "tooth", "tomopy_tooth", "xlearn", "camvid", "lgg", "hippocampus", "soc_like")
WITH_WEIGHTS = [
    name for name in EXPERIMENTS if "/weights/" in (CONFIG / "experiments" / f"{name}.yaml").read_text("utf-8")
]


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_shipped_experiment_loads(name: str) -> None:
    experiment = load_experiment(CONFIG / "experiments" / f"{name}.yaml")
    assert experiment.settings.experiment == name
    assert experiment.datasets


def test_the_tables_of_the_readme_name_every_shipped_experiment_and_no_other() -> None:
    text = (CONFIG.parent / "README.md").read_text("utf-8")
    named = []
    for row in re.findall(r"^\|(.*)\|$", text[text.index("## What runs") :], re.MULTILINE):
        names = re.findall(r"`(\w+)`", row.split("|")[1])
        # a name that begins with _ goes on from the first of its cell
        named += [names[0] + name if name.startswith("_") else name for name in names]
    assert sorted(named) == EXPERIMENTS


def test_every_shipped_model_and_dataset_loads() -> None:
    for path in (CONFIG / "models").glob("*.yaml"):
        assert load_component("models", Model, path.stem, CONFIG / "experiments")[0].description, path
    for path in (CONFIG / "datasets").glob("*.yaml"):
        assert load_component("datasets", Dataset, path.stem, CONFIG / "experiments")[0].description, path


def test_the_default_configuration_is_the_demo() -> None:
    default, demo = load_experiment(CONFIG / "config.yaml"), load_experiment(CONFIG / "experiments" / "demo.yaml")
    assert default.summary() == demo.summary()
    assert "is valid" in check_file(CONFIG / "config.yaml")


@pytest.mark.parametrize("name", REAL)
def test_real_data_is_valid(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCAN2SEG_DATA", str(data_folder()))
    path = CONFIG / "experiments" / f"{name}.yaml"
    check_data(load_experiment(path), path)


@pytest.mark.parametrize("name", WITH_WEIGHTS)
def test_real_weights_are_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCAN2SEG_DATA", str(data_folder()))
    assert "is valid" in check_file(CONFIG / "experiments" / f"{name}.yaml")


def test_the_page_of_data_names_every_experiment_that_needs_weights() -> None:
    text = (CONFIG.parent / "docs" / "data.md").read_text("utf-8")
    (named,) = re.findall(r"The experiments (.*?) name one or both", text, re.DOTALL)
    assert re.findall(r"`(\w+)`", named) == WITH_WEIGHTS


def test_the_rows_of_the_experiment_on_edges_differ_in_padding_alone() -> None:
    models = load_experiment(CONFIG / "experiments" / "edges.yaml").models.values()
    zeros, mirrored = (model.recipe().content() for model in models)
    assert (zeros["architecture"].pop("padding"), mirrored["architecture"].pop("padding")) == ("zeros", "reflect")
    assert zeros == mirrored
    assert all(model.patching.size is None for model in models), "a patch has edges of its own"


@pytest.mark.parametrize(("name", "said"), [("hippocampus", "131 groups"), ("lgg", "36 groups")])
def test_real_volumes_are_valid(name: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCAN2SEG_DATA", str(data_folder()))
    assert said in check_file(CONFIG / "datasets" / f"{name}.yaml")
