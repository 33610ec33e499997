"""A study runs from its trials to the report, and grows without running again what is there."""

import csv

import pytest
from pipeline import Pipeline

pytestmark = pytest.mark.slow
EXPERIMENT = """
datasets: [cells]
models: []
studies:
  rates:
    model: small
    sampler: tpe
    trials: 3
    startup: 2
    space:
      optimizer.learning_rate: {low: 1.0e-4, high: 1.0e-1, log: true}
      loss: {values: [cross_entropy, [cross_entropy, dice]]}
"""


@pytest.fixture(scope="module")
def studied(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    made = Pipeline(tmp_path_factory.mktemp("study"))
    (made.folder / "config/experiments/tiny.yaml").write_text(EXPERIMENT)
    result = made.run()
    assert result.returncode == 0, result.stdout[-6000:] + result.stderr[-6000:]
    return made


def test_a_study_ends_in_a_table_a_model_file_and_the_report(studied: Pipeline) -> None:
    folder = studied.find("studies/rates-*/best.yaml").parent
    rows = list(csv.DictReader((folder / "study.csv").open()))
    assert [row["trial"] for row in rows] == ["trial0", "trial1", "trial2"]
    assert {path.name for path in studied.find("studies/*/trial0").iterdir() if path.name[0] != "."} == {"trial.json"}
    best = max(rows, key=lambda row: float(row["score"]))
    page = (studied.folder / "results/reports/tiny/index.html").read_text()
    assert "scores on validation images" in page and f"{float(best['score']):.4f}" in page
    assert (studied.folder / "results/reports/tiny/figures/study_cells_rates.png").is_file()
    with studied.edit("config/experiments/tiny.yaml", "models: []", f"models: ['{folder / 'best.yaml'}']"):
        assert studied.jobs()["train_model"] == ["best/seed0"]


def test_a_change_runs_what_depends_on_it_alone(studied: Pipeline) -> None:
    file = "config/experiments/tiny.yaml"
    assert studied.jobs() == {}
    with studied.edit(file, "trials: 3", "trials: 4"):
        jobs = studied.jobs()
    assert jobs["tune_model"] == ["rates/trial3"]
    assert set(jobs) == {"tune_model", "compare_trials", "render_report"}
    with studied.edit(file, "high: 1.0e-1", "high: 1.0e-2"):
        jobs = studied.jobs()
    assert jobs["tune_model"] == [f"rates/trial{number}" for number in range(3)]
    assert set(jobs) == {"tune_model", "compare_trials", "render_report"}
    with studied.edit("src/scan2seg/losses/dice.py", '"""', '"""Edited. '):
        assert set(studied.jobs()) == {"tune_model", "compare_trials", "render_report"}
    with studied.edit("src/scan2seg/losses/focal.py", '"""', '"""Edited. '):
        assert studied.jobs() == {}
