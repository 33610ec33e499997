"""Times of unlike hardware stand side by side: no front, no order by time, and a sentence that says so."""

import copy
from dataclasses import replace

import example_report
import pytest

from scan2seg.evaluation.cost_notes import describe_costs
from scan2seg.evaluation.hardware import are_comparable, describe_machines, describe_unlike, name_devices
from scan2seg.evaluation.ranking import Ranked, rank
from scan2seg.reporting.answer import leader_table
from scan2seg.reporting.content import load_runs
from scan2seg.reporting.performance import performance_table
from scan2seg.reporting.tradeoff import draw_times


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[Ranked]:
    folder = tmp_path_factory.mktemp("hardware")
    content = example_report.write_experiment(folder, {"unet": 0.9, "resunet": 0.8}, 1, scans=False)
    return rank([run.scores for run in load_runs(content["runs"])], None)["demo"]


def trained_on(rows: list[Ranked], *gpus: str) -> list[Ranked]:
    """Return the models as if each was trained and timed on one of the GPUs."""
    found = []
    for row, gpu in zip(rows, gpus, strict=True):
        hardware = {
            "device": "cuda",
            "provenance": {"hardware": {"gpu": gpu, "processor": "x", "node": f"node of {gpu}"}},
        }
        runs = [
            replace(run, training={**copy.deepcopy(run.training), **hardware}, timing={**run.timing, **hardware})
            for run in row.runs
        ]
        found.append(replace(row, runs=runs))
    return found


def test_times_of_two_gpus_are_not_ranked(rows: list[Ranked]) -> None:
    unlike = trained_on(rows, "A100", "H100")
    assert not are_comparable(unlike, "training_seconds") and not are_comparable(unlike, "prediction_pixels_per_second")
    assert "Training times are of unlike hardware (A100; H100)" in describe_unlike(unlike)[0]
    assert set(describe_unlike(unlike)) <= set(describe_costs(unlike))
    for table in (performance_table(unlike, []), leader_table(unlike)):
        for row in table.rows:
            times = [
                cell
                for name, cell in zip(table.columns, row, strict=True)
                if name in ("training", "prediction of an image", "an image")
            ]
            assert len(times) == 2 and all(cell.key is not None and cell.sort_key == "" for cell in times)
    figure = draw_times(unlike)
    assert figure is not None and all("unlike hardware" in axis.get_xlabel() for axis in figure.axes)
    assert not [line for axis in figure.axes for line in axis.lines if line.get_drawstyle().startswith("steps")]


def test_times_of_one_gpu_on_two_nodes_are_ranked(rows: list[Ranked]) -> None:
    alike = trained_on(rows, "A100", "A100")
    assert are_comparable(alike, "training_seconds") and describe_unlike(alike) == []
    assert all(cell.sort_key for row in performance_table(alike, []).rows for cell in row[5:8:2])


def test_devices_and_machines_are_named(rows: list[Ranked]) -> None:
    unlike = trained_on(rows, "A100", "H100")
    (run,) = unlike[0].runs
    assert name_devices(run) == "1 × A100"
    assert name_devices(replace(run, training={**run.training, "devices": 4})) == "4 × A100"
    for facts, words in (
        ({"device": "cpu", "threads": 2}, "cpu, 2 threads"),
        ({"device": "cpu", "threads": 1}, "cpu, 1 thread"),
        ({"device": "cuda"}, "cuda"),
        ({}, ""),
    ):
        assert name_devices(replace(run, training=facts)) == words
    assert describe_machines(unlike) == [
        f"{kind}: {gpu}, x" for gpu in ("A100", "H100") for kind in ("training", "prediction")
    ]
