"""The import into MLflow: a local file, and a real server on the loopback interface."""

import base64
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from scan2seg import storage
from scan2seg.errors import InputError
from scan2seg.reporting.tracking import CONTENT, KEY, PARENT, log_to_mlflow


def import_into(example, marker, uri=None, runs=None):
    content, report = example
    runs = content["runs"] if runs is None else runs
    log_to_mlflow("example", runs, report / "index.html", report / "tables.md", report / "figures", uri, marker)
    return storage.read_json(marker)


def snapshot(client):
    experiment = client.get_experiment_by_name("example")
    return {run.data.tags[KEY]: run for run in client.search_runs([experiment.experiment_id])}


def client_of(database):
    """Open a copy: mlflow keeps connections to a path, even when another file has taken its place."""
    copy = database.with_name(f"copy{len(list(database.parent.iterdir()))}.db")
    shutil.copyfile(database, copy)
    return MlflowClient(f"sqlite:///{copy}")


def check_content(client, marker, count):
    runs = snapshot(client)
    assert len(runs) == count + 1
    parent, child = runs["example"], runs["demo/deeplabv3_plus/seed1"]
    assert {run.data.tags.get(PARENT) for key, run in runs.items() if key != "example"} == {parent.info.run_id}
    assert marker["runs"]["demo/deeplabv3_plus/seed1"] == child.info.run_id
    assert child.data.params["model"] == "deeplabv3_plus"
    assert child.data.params["training.learning_rate"] == "0.001"
    assert 0.5 < child.data.metrics["mean_iou"] <= 1
    assert child.data.metrics["iou_inclusion"] > 0
    assert [point.step for point in client.get_metric_history(child.info.run_id, "history_train_loss")] == list(
        range(12)
    )
    assert {item.path for item in client.list_artifacts(parent.info.run_id)} == {"index.html", "tables.md", "figures"}
    assert "figures/ranking_demo.png" in {item.path for item in client.list_artifacts(parent.info.run_id, "figures")}
    assert "per_image.csv" in {item.path for item in client.list_artifacts(child.info.run_id)}
    return {key: (run.info.run_id, run.data.tags[CONTENT]) for key, run in runs.items()}


def with_settings(example):
    content, report = example
    settings = {"training": {"learning_rate": 0.001, "epochs": 12}}
    return {**content, "runs": [{**run, "settings": settings} for run in content["runs"]]}, report


def test_local_file_is_filled_once_updated_in_place_and_replaced_whole(example, tmp_path):
    example = with_settings(example)
    marker = tmp_path / "mlflow.json"
    first = import_into(example, marker)
    database = tmp_path / "mlflow.db"
    before = check_content(client_of(database), first, 6)
    second = import_into(example, marker)
    assert second["runs"] == first["runs"]
    assert check_content(client_of(database), second, 6) == before
    changed = [dict(run) for run in example[0]["runs"]]
    changed[0] = {**changed[0], "settings": {"training": {"learning_rate": 0.1}}}
    third = import_into(example, marker, runs=changed[:-1])
    assert sum(third["runs"][key] != first["runs"][key] for key in third["runs"]) == 1
    with sqlite3.connect(database) as connection:
        active = connection.execute("select count(*) from runs where lifecycle_stage = 'active'").fetchone()[0]
    assert active == 6  # five models and the parent: one replaced, one gone
    assert not list(tmp_path.glob(".*partial"))
    key = "demo/unet/seed1"
    with sqlite3.connect(database) as connection:  # as if the import had been cut short
        connection.execute("delete from tags where key = ? and run_uuid = ?", (CONTENT, third["runs"][key]))
    fourth = import_into(example, marker, runs=changed[:-1])
    assert {name for name in fourth["runs"] if fourth["runs"][name] != third["runs"][name]} == {key}


@pytest.fixture
def server(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
    environment["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"  # starts in half the time
    words = ["server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    words += [
        "--backend-store-uri",
        f"sqlite:///{tmp_path}/server.db",
        "--artifacts-destination",
        str(tmp_path / "store"),
    ]
    command = [sys.executable, "-m", "mlflow", *words]
    with (tmp_path / "server.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True)
        try:
            uri = f"http://127.0.0.1:{port}"
            wait_for(uri, process)
            yield uri
        finally:
            os.killpg(process.pid, 15)
            process.wait(20)


def wait_for(uri, process):
    for _ in range(240):
        if process.poll() is not None:
            pytest.fail("the MLflow server ended before it answered")
        try:
            with urllib.request.urlopen(f"{uri}/health", timeout=1):
                return
        except OSError:
            time.sleep(0.25)
    pytest.fail("the MLflow server did not answer within a minute")


def test_a_real_server_holds_the_same(example, tmp_path, server):
    example = with_settings(example)
    runs = [run for run in example[0]["runs"] if run["model"] == "deeplabv3_plus"]
    marker = tmp_path / "out" / "mlflow.json"
    first = import_into(example, marker, server.replace("//", "//someone:se%40cret@"), runs)
    assert "se" + "%40cret" not in marker.read_text() and first["uri"] == server
    before = check_content(MlflowClient(server), first, 2)
    assert check_content(MlflowClient(server), import_into(example, marker, server, runs), 2) == before
    assert not (tmp_path / "out" / "mlflow.db").exists()


def test_a_server_that_is_not_there_is_one_message(example, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(InputError, match=r"MLflow at http://127\.0\.0\.1:9"):
        import_into(example, tmp_path / "mlflow.json", "http://127.0.0.1:9")
    assert not (tmp_path / "mlflow.json").exists()


def test_user_and_password_reach_the_server_alone(example, tmp_path, monkeypatch):
    """They are sent, decoded, and stand in no message; the environment is as it was before."""
    seen = []

    class Refuse(BaseHTTPRequestHandler):
        def do_GET(self):
            seen.append(self.headers["Authorization"])
            self.send_error(401, "who are you?")

        do_POST = do_GET  # noqa: N815

        def log_message(self, *words):
            pass

    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with HTTPServer(("127.0.0.1", 0), Refuse) as refusing:
        threading.Thread(target=refusing.serve_forever, daemon=True).start()
        address = f"127.0.0.1:{refusing.server_port}"
        with pytest.raises(InputError, match=f"MLflow at http://{address}") as caught:
            import_into(example, tmp_path / "mlflow.json", f"http://someone:se%40cret@{address}")
        refusing.shutdown()
    assert seen[0] == "Basic " + base64.b64encode(b"someone:se@cret").decode()
    assert "cret" not in str(caught.value) and "someone" not in str(caught.value)
    assert "MLFLOW_TRACKING_PASSWORD" not in os.environ


def artifacts_of(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_failed_import_leaves_no_artifacts_and_a_copied_report_leaves_the_first_alone(example, tmp_path, monkeypatch):
    example = with_settings(example)
    runs = [run for run in example[0]["runs"] if run["model"] == "deeplabv3_plus"][:1]
    changed = [{**run, "settings": {"training": {"learning_rate": 0.1}}} for run in runs]
    marker = tmp_path / "first" / "mlflow.json"

    def fail(*words, **named):
        raise MlflowException("no more")

    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "set_terminated", fail)
        with pytest.raises(InputError, match="no more"):
            import_into(example, marker, runs=runs)
        assert list((tmp_path / "first").iterdir()) == []
    import_into(example, marker, runs=runs)
    before = artifacts_of(tmp_path / "first")
    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "log_artifact", fail)
        with pytest.raises(InputError, match="no more"):
            import_into(example, marker, runs=changed)
    assert artifacts_of(tmp_path / "first") == before
    shutil.copytree(tmp_path / "first", tmp_path / "second")
    second = import_into(example, tmp_path / "second" / "mlflow.json", runs=changed)
    assert artifacts_of(tmp_path / "first") == before
    folders = {path.name for path in (tmp_path / "second" / "mlartifacts").iterdir()}
    assert folders == {*second["runs"].values(), second["parent"]}
