"""What an experiment will take, against the bytes that its stores hold."""

from pathlib import Path

import pytest
from helpers import DATASET, MODEL, make_images

from scan2seg import forecast
from scan2seg.catalogue import Catalogue
from scan2seg.config.check import check_file
from scan2seg.config.experiment import load_experiment
from scan2seg.config.problems import ConfigurationError


@pytest.fixture
def experiment(tmp_path: Path) -> Path:
    make_images(tmp_path, count=10, size=40)
    (tmp_path / "cells.yaml").write_text(DATASET.format(folder="."))
    (tmp_path / "small.yaml").write_text(MODEL.format(architecture="otsu"))
    path = tmp_path / "try.yaml"
    path.write_text(f"datasets: [./cells.yaml]\nmodels: [./small.yaml]\nresults: {tmp_path}/out\n")
    return path


def test_the_forecast_counts_images_patches_and_predictions(experiment: Path) -> None:
    disk = forecast.estimate_disk(load_experiment(experiment))
    # patches of 32 every 16 pixels of 40: at 0 and 8, so four an image; two of ten images are tested
    assert disk == {"volumes": 0, "stacks": 10 * 1600 * 2, "patches": 10 * 4 * 1024 * 5, "predictions": 2 * 1600}
    shown = check_file(experiment)
    assert (
        "disk: at most 240 kB to write, before compression (stacks 32 kB, patches 205 kB, predictions 3.2 kB)" in shown
    )


def test_what_cannot_fit_is_a_problem_before_the_first_job(
    experiment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is written already needs no room again."""
    monkeypatch.setattr(forecast, "free_disk", lambda results: 29_000)
    with pytest.raises(ConfigurationError, match=r"writes up to 240 kB, and only 29 kB are free"):
        check_file(experiment)
    stack = Catalogue(load_experiment(experiment)).splits_of["cells"].stack.path
    (tmp_path / "out" / stack).mkdir(parents=True)
    check_file(experiment)


def test_a_batch_larger_than_the_job_s_memory_is_a_problem(experiment: Path) -> None:
    model = experiment.with_name("small.yaml")
    model.write_text(model.read_text().replace("batch_size: 8", "batch_size: 2000000"))
    with pytest.raises(ConfigurationError, match=r"small.yaml: resources.mem_mb = 8000: one batch takes 10.2 GB"):
        check_file(experiment)
