"""A real server on the loopback interface, and what is told of one that refuses."""

import base64
import os
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import mlflow
import numpy as np
import pytest
from example_tracking import import_into, look_at, predicted, serving, snapshot
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from scan2seg.errors import InputError


@pytest.mark.slow
def test_a_real_server_goes_on_where_it_was_cut_and_holds_the_model(trained, tmp_path, monkeypatch):
    store = f"sqlite:///{tmp_path}/server.db"
    with serving(tmp_path, store, tmp_path / "store") as server:
        made = []
        own = MlflowClient.set_terminated

        def cut(self, *words):
            if len(made) == 3:
                raise MlflowException("cut")
            made.append(words[0])
            own(self, *words)

        with monkeypatch.context() as patch:
            patch.setattr(MlflowClient, "set_terminated", cut)
            with pytest.raises(InputError, match="cut"):
                import_into(trained, tmp_path, server)
        first = import_into(trained, tmp_path, server.replace("//", "//someone:se%40cret@"))
        assert set(made) <= {first["parent"], *first["runs"].values()} and first["uri"] == server
        assert import_into(trained, tmp_path, server)["runs"] == first["runs"]
        assert not (tmp_path / "mlflow.db").exists()
        client = look_at(server)
        assert len(snapshot(client)) == 5
        version = client.get_model_version_by_alias("example", "best")
        replicate = client.get_run(version.run_id).data.params["replicate"]
        run = next(run for run in trained[0]["runs"] if (run["model"], run["replicate"]) == ("unet", replicate))
        images, labels = predicted(trained[0]["datasets"][0], run)
        assert np.array_equal(mlflow.pyfunc.load_model("models:/example@best").predict(images), labels)


def test_a_server_that_is_not_there_is_one_message(trained, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(InputError, match=r"MLflow at http://127\.0\.0\.1:9"):
        import_into(trained, tmp_path, "http://127.0.0.1:9")
    assert not list(tmp_path.iterdir())


def test_user_and_password_reach_the_server_alone(trained, tmp_path, monkeypatch):
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
            import_into(trained, tmp_path, f"http://someone:se%40cret@{address}")
        refusing.shutdown()
    assert seen[0] == "Basic " + base64.b64encode(b"someone:se@cret").decode()
    assert "cret" not in str(caught.value) and "someone" not in str(caught.value)
    assert "MLFLOW_TRACKING_PASSWORD" not in os.environ
