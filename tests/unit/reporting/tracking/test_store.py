"""The local store: one database for all experiments, filled whole or not at all, and moved with the results."""

import re
import shutil
import sqlite3
import threading
from contextlib import closing
from datetime import datetime

import mlflow
import numpy as np
import pytest
from example_tracking import client_of, import_into, look_at, predicted, snapshot
from mlflow.exceptions import MlflowException
from PIL import Image

from scan2seg import storage
from scan2seg.errors import InputError
from scan2seg.reporting.tracking.client import CONTENT
from scan2seg.reporting.tracking.store import relocate


def contents_of(client):
    return {key: (run.info.run_id, run.data.tags[CONTENT]) for key, run in snapshot(client).items()}


def test_what_an_import_holds(trained, tmp_path):
    found = import_into(trained, tmp_path)
    client = client_of(tmp_path)
    runs = snapshot(client)
    parent, child = runs["example"], runs["demo/unet/seed1"]
    assert parent.info.run_id == found["parent"] and child.info.run_id == found["runs"]["demo/unet/seed1"]
    scores = {run["replicate"]: storage.read_json(run["run"] / "metrics.json") for run in trained[0]["runs"][:2]}
    mean = np.mean([scores[name]["mean_iou"] for name in ("seed0", "seed1")])
    assert parent.data.metrics["mean_iou.unet"] == pytest.approx(mean)
    assert {"training_seconds.unet", "prediction_seconds_per_image.otsu"} <= set(parent.data.metrics)
    assert parent.data.params["replicates"] == "['seed0', 'seed1']"
    files = {item.path for item in client.list_artifacts(parent.info.run_id)}
    tables = {"ranking.json", "iou_a_class.json", "performance.json", "published.json", "parts.json"}
    assert files == {"index.html", "scores.csv", "tables.md", "experiment.json", "figures"} | tables
    ranking = client.load_table(parent.info.experiment_id, "ranking.json")
    assert list(ranking["rank"]) == [1, 2] and set(ranking["model"]) == {"unet", "otsu"}
    classes = client.load_table(parent.info.experiment_id, "iou_a_class.json").set_index("model")
    iou = np.mean([scores[name]["classes"]["matrix"]["iou"] for name in ("seed0", "seed1")])
    assert classes.loc["unet", "matrix"] == pytest.approx(iou)
    performance = client.load_table(parent.info.experiment_id, "performance.json").set_index("model")
    assert performance.loc["unet", "batch_size"] == 16 and not any("." in name for name in performance)  # none twice
    beside = performance.loc["unet"]
    assert (beside["published_model"], beside["published_training_time"]) == ("U-Net & friends", "4 to 4.5 days")
    assert beside["published_prediction_seconds"] == 25 and performance.notna()["published_model"].sum() == 2
    assert "DeepLab v3+" in set(performance["published_model"])
    parts = client.load_table(parent.info.experiment_id, "parts.json").set_index("model")
    trained_on = [storage.read_json(run["parts"])["parts"]["train"]["mean_iou"] for run in trained[0]["runs"][:2]]
    assert parts.loc["unet", "train_mean_iou"] == pytest.approx(np.mean(trained_on))
    assert parts.loc["unet", "test_mean_iou"] == pytest.approx(mean)
    # the child
    assert child.data.metrics["train_mean_iou"] == trained_on[1]
    training = storage.read_json(trained[0]["runs"][1]["run"] / "training.json")
    assert child.data.params["recipe.training.learning_rate"] == "0.001"
    assert child.data.metrics["mean_iou"] == pytest.approx(scores["seed1"]["mean_iou"])
    ended = datetime.fromisoformat(training["provenance"]["created"]).timestamp()
    assert child.info.end_time == round(1000 * ended)
    assert child.info.end_time - child.info.start_time == pytest.approx(1000 * training["wall_seconds"], abs=1)
    history = client.get_metric_history(child.info.run_id, "history_train_loss")
    assert [point.step for point in history] == list(range(12))
    assert child.data.metrics["history_train_loss"] == history[-1].value
    (used,) = child.inputs.dataset_inputs
    assert used.dataset.name == "demo" and used.dataset.digest and {tag.key for tag in used.tags} >= {"key"}
    matrix = client.load_table(child.info.experiment_id, "confusion_matrix.json", run_ids=[child.info.run_id])
    assert np.array_equal(matrix.to_numpy()[:, 1:].astype(int), scores["seed1"]["confusion_matrix"])
    picture = Image.open(client.download_artifacts(child.info.run_id, "confusion_matrix.png"))
    assert picture.size[0] > 200 and picture.getpixel((5, 5)) == (255, 255, 255)


def tables_of(database):
    """Return table to its rows as text, in order, without ids that are drawn and times of the import."""
    found = {}
    with closing(sqlite3.connect(database)) as connection:
        names = [name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")]
        for name in names:
            columns = [row[1] for row in connection.execute(f"pragma table_info({name})")]
            kept = [
                column for column in columns if "timestamp_ms" not in column and "time" not in column.split("_")[1:]
            ]
            kept += [column for column in ("start_time", "end_time") if column in columns]
            rows = connection.execute(f"select {', '.join(kept)} from {name}").fetchall() if kept else []
            found[name] = sorted(re.sub(r"[0-9a-f]{32}", "ID", str(row)) for row in rows)
    return found


@pytest.mark.slow
def test_what_is_written_at_once_is_what_mlflow_s_own_way_writes(trained, tmp_path, monkeypatch):
    """Every table, every file of the run and of its model."""
    runs = trained[0]["runs"][1:3]
    tables, files = [], []
    for known in (True, False):
        monkeypatch.setattr("scan2seg.reporting.tracking.client.is_known", lambda database, known=known: known)
        folder = tmp_path / "results"
        import_into(trained, folder, runs=runs)
        tables.append(tables_of(folder / "mlflow.db"))
        files.append({re.sub(r"[0-9a-f]{32}", "ID", str(path)) for path in artifacts_of(folder)})
        described = next(folder.glob("mlartifacts/models/*/artifacts/MLmodel")).read_text()
        assert described.count(next(folder.glob("mlartifacts/models/*")).name) == 1
        shutil.rmtree(folder)
    assert len(tables[0]["metrics"]) > 60 and tables[0]["logged_models"] and tables[0]["input_tags"]
    for name in tables[0]:
        assert tables[0][name] == tables[1][name], name
    assert files[0] == files[1]


@pytest.mark.slow
def test_importing_again_changes_nothing_and_what_differs_is_replaced(trained, tmp_path):
    first = import_into(trained, tmp_path)
    before = contents_of(client_of(tmp_path))
    assert set(before) == {"example", *(f"demo/{name}/seed{seed}" for name in ("unet", "otsu") for seed in (0, 1))}
    assert import_into(trained, tmp_path)["runs"] == first["runs"]
    assert contents_of(client_of(tmp_path)) == before
    fewer = import_into(trained, tmp_path, runs=trained[0]["runs"][:-1])
    assert set(first["runs"]) - set(fewer["runs"]) == {"demo/otsu/seed1"}
    assert fewer["parent"] != first["parent"]  # its tables have other rows
    assert all(fewer["runs"][key] == first["runs"][key] for key in fewer["runs"])
    runs = snapshot(client_of(tmp_path))
    assert {run.data.tags.get("mlflow.parentRunId") for key, run in runs.items() if key != "example"} == {
        fewer["parent"]
    }
    key = "demo/unet/seed1"
    with sqlite3.connect(tmp_path / "mlflow.db") as connection:  # as if the import had been cut short
        connection.execute("update runs set status = 'RUNNING' where run_uuid = ?", (fewer["runs"][key],))
    again = import_into(trained, tmp_path, runs=trained[0]["runs"][:-1])
    assert {name for name in again["runs"] if again["runs"][name] != fewer["runs"][name]} == {key}
    folders = {path.name for path in (tmp_path / "mlartifacts").iterdir()}
    assert folders == {*again["runs"].values(), again["parent"], "models"}
    assert len(list((tmp_path / "mlartifacts" / "models").iterdir())) == 2


@pytest.mark.slow
def test_two_experiments_at_once_share_one_database(trained, tmp_path):
    names = ["one", "two", "three"]
    errors = []

    def work(name):
        try:
            import_into(trained, tmp_path, experiment=name)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    client = client_of(tmp_path)
    for name in names:
        runs = snapshot(client, name)
        assert len(runs) == 5
        assert client.load_table(runs[name].info.experiment_id, "ranking.json").shape[0] == 2
    assert not list(tmp_path.glob(".*owner"))


@pytest.mark.slow
def test_a_moved_results_folder_brings_its_tables_and_models(trained, tmp_path):
    import_into(trained, tmp_path / "old")
    (tmp_path / "old").rename(tmp_path / "new ü")
    database = relocate(tmp_path / "new ü")
    client = look_at(f"sqlite:///{database}")
    runs = snapshot(client)
    assert client.load_table(runs["example"].info.experiment_id, "performance.json")["model"].nunique() == 2
    entry = trained[0]["datasets"][0]
    version = client.get_model_version_by_alias("example", "best")
    assert str(tmp_path / "old") not in client.get_model_version_download_uri("example", version.version)
    model = mlflow.pyfunc.load_model("models:/example@best")
    replicate = client.get_run(version.run_id).data.params["replicate"]
    run = next(run for run in trained[0]["runs"] if (run["model"], run["replicate"]) == ("unet", replicate))
    images, labels = predicted(entry, run)
    assert np.array_equal(model.predict(images), labels)
    relocate(tmp_path / "new ü")
    with pytest.raises(InputError, match="run an experiment first"):
        relocate(tmp_path / "old")


def artifacts_of(folder):
    return {
        path.relative_to(folder): path.read_bytes() for path in (folder / "mlartifacts").rglob("*") if path.is_file()
    }


@pytest.mark.slow
def test_a_failed_import_leaves_no_artifacts_and_a_copied_folder_leaves_the_first_alone(trained, tmp_path, monkeypatch):
    first = tmp_path / "first"

    def fail(*words, **named):
        raise MlflowException("no more")

    for name in ("write_run", "write_model"):
        with monkeypatch.context() as patch:
            patch.setattr(f"scan2seg.reporting.tracking.client.{name}", fail)
            with pytest.raises(InputError, match="no more"):
                import_into(trained, first)
            assert list(first.iterdir()) == []
    import_into(trained, first)
    before = artifacts_of(first)
    outside = first / "mlartifacts" / "models" / "mine"
    outside.mkdir()
    fewer = trained[0]["runs"][1:]
    with monkeypatch.context() as patch:
        patch.setattr("scan2seg.reporting.tracking.client.write_run", fail)
        with pytest.raises(InputError, match="no more"):
            import_into(trained, first, runs=fewer)
    assert artifacts_of(first) == before and outside.is_dir()
    shutil.copytree(first, tmp_path / "second")
    second = import_into(trained, tmp_path / "second", runs=fewer)
    assert artifacts_of(first) == before
    folders = {path.name for path in (tmp_path / "second" / "mlartifacts").iterdir()}
    assert folders == {*second["runs"].values(), second["parent"], "models"}
