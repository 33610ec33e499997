"""A plan of inference in the workflow: made once a trained model, used by all that applies it, shown in the report."""

import json
import shutil
from pathlib import Path

import pytest
from helpers import MODEL
from pipeline import Pipeline

from scan2seg.catalogue import Catalogue
from scan2seg.catalogue.jobs import jobs
from scan2seg.config.experiment import load_experiment
from scan2seg.config.training import InferenceSettings
from scan2seg.inference.model_choice import find_members

pytestmark = pytest.mark.slow
OF_A_PLAN = {"plan_inference", "predict_stack", "score_prediction", "score_parts", "time_inference", "segment_scan"}
REPORTING = {"compare_models", "render_report", "log_to_mlflow", "link_runs"}
EXPERIMENT = """
datasets: [pillar]
models: [planned, levels]
score_parts: 2
segment: {datasets: [fresh], model: planned}
"""


@pytest.fixture(scope="module")
def planned(pipeline: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    """The pipeline after a model was planned, and another one was not; the data are those of the finished run."""
    made = Pipeline(tmp_path_factory.mktemp("plan"), finished=pipeline.folder)
    shutil.rmtree(made.folder / "results/segmentations")
    recipe = MODEL.format(architecture="{method: unet, encoder: null, width: 4, depth: 2}")
    (made.folder / "config/models/planned.yaml").write_text(
        f"{recipe}inference: {{plan: {{images: 1}}, overlap: 0.1}}\n"
    )
    (made.folder / "config/experiments/tiny.yaml").write_text(EXPERIMENT)
    result = made.run()
    assert result.returncode == 0, result.stdout[-6000:] + result.stderr[-6000:]
    return made


def test_whatever_applies_the_model_uses_its_plan(planned: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = json.loads(planned.find("runs/planned-*/seed0/inference-*/plan.json").read_text())
    assert set(plan["inference"]) == {"tile", "precision", "channels_last", "batch_size", "runtime"}
    folder = planned.find("runs/planned-*/seed0/inference-*")
    for file in (
        folder / "timing.json",
        next(folder.glob("parts-*.json")),
        planned.find("segmentations/*/summary.json"),
    ):
        used = json.loads(file.read_text())["provenance"]["settings"]["inference"]
        assert used["plan"] is None and used["overlap"] == 0.1, file
        assert {key: used[key] for key in plan["inference"]} == plan["inference"], file
    attributes = json.loads((folder / "prediction.zarr/zarr.json").read_text())["attributes"]
    used = attributes["provenance"]["settings"]["inference"]
    assert {key: used[key] for key in plan["inference"]} == plan["inference"]
    (member,) = find_members(folder.parent)
    assert member.inference == InferenceSettings.model_validate(used)
    page = (planned.folder / "results/reports/tiny/index.html").read_text()
    assert "Plans of inference" in page and page.count(">chosen<") == 2  # the heading of a column, and one row
    monkeypatch.chdir(planned.folder)
    listed = jobs(Catalogue(load_experiment(Path("config/experiments/tiny.yaml"))))
    assert [job.stage for job in listed].count("plan_inference") == 1


def test_settings_of_a_plan_rerun_it_and_what_follows_and_no_training(planned: Pipeline) -> None:
    assert planned.jobs() == {}
    for old, new in (("images: 1", "images: 2"), ("overlap: 0.1", "overlap: 0.2"), ("overlap: 0.1", "flips: true")):
        with planned.edit("config/models/planned.yaml", old, new):
            assert set(planned.jobs()) == OF_A_PLAN | REPORTING
    with planned.edit("src/scan2seg/inference/planning.py", '"""', '"""Edited. '):
        assert set(planned.jobs()) == OF_A_PLAN | REPORTING
    with planned.edit("config/models/planned.yaml", "inference: {plan: {images: 1}, overlap: 0.1}", ""):
        assert set(planned.jobs()) == (OF_A_PLAN | REPORTING) - {"plan_inference"}
