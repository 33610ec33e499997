"""The commands that bring a finished experiment to an MLflow server, and what people then see in its pages."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
from chromium import CHROMIUM, DRIVER, open_browser
from example_tracking import look_at, serving, snapshot
from pipeline import Pipeline

from scan2seg import storage

pytestmark = pytest.mark.slow
RUNS = {f"{dataset}/{model}/seed0" for dataset in ("cells", "pillar") for model in ("small", "levels", "both")}
EXPERIMENT = "config/experiments/tiny.yaml"


def command(*words: str) -> list[str]:
    return [str(Path(sys.executable).with_name("scan2seg")), *words]


def scan2seg(pipeline: Pipeline, *words: str) -> str:
    place = {"cwd": pipeline.folder, "env": pipeline.env}
    result = subprocess.run(command(*words), **place, capture_output=True, text=True, timeout=300, check=False)  # type: ignore[call-overload]
    assert result.returncode == 0, result.stderr
    return str(result.stdout)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server with a database of its own, for as long as the tests of this file take."""
    folder = tmp_path_factory.mktemp("server")
    with serving(folder, f"sqlite:///{folder}/server.db", folder / "store", seconds=1200) as address:
        yield address


@pytest.fixture(scope="module")
def synced(pipeline: Pipeline, server: str) -> tuple[Any, dict[str, Any]]:
    """A client of the server, which was sent the experiment by an import that was killed and one that went on."""
    client = look_at(server)
    first = subprocess.Popen(
        command("sync", EXPERIMENT, server), cwd=pipeline.folder, env=pipeline.env, stdout=subprocess.DEVNULL
    )
    finished: dict[str, str] = {}
    while first.poll() is None and len(finished) < 3:
        time.sleep(0.1)
        if client.get_experiment_by_name("tiny"):
            runs = snapshot(client, "tiny")
            finished = {key: run.info.run_id for key, run in runs.items() if run.info.status == "FINISHED"}
    first.kill()
    first.wait()
    assert 3 <= len(finished) < len(RUNS) + 1
    said = scan2seg(pipeline, "sync", EXPERIMENT, server)
    assert said == f"6 runs of tiny are at {server}\n"
    kept = snapshot(client, "tiny")
    assert {key: kept[key].info.run_id for key in finished} == finished
    return client, kept


def list_runs(client: Any) -> list[Any]:
    experiment = client.get_experiment_by_name("tiny")
    return list(client.search_runs([experiment.experiment_id]))


def test_an_interrupted_transfer_goes_on_and_another_one_changes_nothing(
    pipeline: Pipeline, server: str, synced: tuple[Any, dict[str, Any]]
) -> None:
    client, kept = synced
    assert set(kept) == {*RUNS, "tiny"} and len(list_runs(client)) == len(RUNS) + 1  # none twice
    scan2seg(pipeline, "sync", EXPERIMENT, server)
    again = list_runs(client)
    assert {run.info.run_id: run.to_dictionary() for run in again} == {
        run.info.run_id: run.to_dictionary() for run in kept.values()
    }


def test_a_run_leaves_nothing_of_mlflow_beside_the_results(pipeline: Pipeline, synced: object) -> None:
    found = {path.relative_to(pipeline.folder).as_posix() for path in pipeline.folder.rglob("ml*")}
    stray = {name for name in found if name.startswith(("mlruns", "mlflow.db", "mlartifacts")) or "/mlruns" in name}
    assert stray == set() and "results/mlflow.db" in found


def test_a_moved_folder_names_its_models_anew_and_they_give_our_labels(
    pipeline: Pipeline, tmp_path: Path, synced: object
) -> None:
    import shutil

    shutil.copytree(pipeline.folder / "results", tmp_path / "moved", symlinks=True)
    scan2seg(pipeline, "relocate", str(tmp_path / "moved"))
    client = look_at(f"sqlite:///{tmp_path}/moved/mlflow.db")
    for dataset in ("cells", "pillar"):
        version = client.get_model_version_by_alias(f"tiny-{dataset}", "best")
        place = client.get_model_version_download_uri(version.name, version.version)
        assert str(tmp_path / "moved") in place and str(pipeline.folder) not in place
        names = client.get_run(version.run_id).data.params
        run = tmp_path / "moved/reports/tiny/runs" / dataset / names["model"] / names["replicate"]
        prediction = storage.open_store(run / "prediction.zarr")
        stack = next((tmp_path / "moved/stacks").glob(f"{dataset}-*/stack.zarr"))
        images = np.asarray(storage.open_array(stack, "image")[:])[np.asarray(prediction["index"][:])]  # type: ignore[index]
        labels = mlflow.pyfunc.load_model(f"models:/{version.name}@best").predict(images.astype(np.float32))
        assert np.array_equal(labels, np.asarray(prediction["label"][:]))  # type: ignore[index]


@pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="chromium and chromedriver are not installed")
def test_the_pages_show_runs_their_comparison_a_table_a_picture_and_the_best_model(
    server: str, synced: tuple[Any, dict[str, Any]], tmp_path: Path
) -> None:
    runs = synced[1]
    experiment = runs["tiny"].info.experiment_id
    identities = {key: run.info.run_id for key, run in runs.items()}
    pair = json.dumps([identities["cells/small/seed0"], identities["cells/levels/seed0"]]).replace(" ", "")
    mean = f"{runs['cells/levels/seed0'].data.metrics['mean_iou']:.3f}"
    one = f"/#/experiments/{experiment}/runs"
    compare = f"/#/compare-runs?runs={pair}&experiments=[%22{experiment}%22]"
    pages = {
        one: ["7 matching runs", "tiny"],
        compare: ["Comparing 2 Runs", "recipe.architecture.method", "mean_iou", mean],
        f"{one}/{identities['tiny']}": ["mean_iou.cells.levels", "training_seconds.pillar.small", "Child runs"],
        f"{one}/{identities['tiny']}/artifacts/ranking.json": ["View as table", "rank", "levels", "performance.json"],
        f"{one}/{identities['cells/small/seed0']}/artifacts/confusion_matrix.png": ["confusion_matrix.png"],
        "/#/models/tiny-cells": ["Version 1", "@ best"],
    }
    browser = open_browser(tmp_path / "profile", 1800, 2400)
    try:
        for page, words in pages.items():
            browser.get("about:blank")
            browser.get(server + page)
            text = read_page(browser, words)
            assert [word for word in words if word not in text] == [], text
            if page.endswith(".png"):
                shown = "return [...document.images].map(one => [one.naturalWidth, one.src])"
                drawn = [source for width, source in browser.execute_script(shown) if width > 200]
                assert any(source.startswith("blob:") or "confusion_matrix" in source for source in drawn)
    finally:
        browser.quit()


def read_page(browser: Any, words: list[str]) -> str:
    """Return the text of a page once it has the words, or after a minute what it has by then."""
    text = ""
    for _ in range(120):
        text = browser.find_element("css selector", "body").text
        if all(word in text for word in words):
            break
        time.sleep(0.5)
    return str(text)
