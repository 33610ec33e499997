"""What the tests of MLflow share: an import of the example experiment, a trained model in it, and a real server."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import mlflow
import numpy as np
import torch
from mlflow import MlflowClient

from scan2seg import storage
from scan2seg.checkpoint import SegmentationModel, save_checkpoint
from scan2seg.config.base import Plugin
from scan2seg.config.training import InferenceSettings
from scan2seg.evaluation.score import score_prediction
from scan2seg.inference.prediction import predict_stack
from scan2seg.normalisation import Normalisation
from scan2seg.reporting.tracking import log_to_mlflow
from scan2seg.reporting.tracking.models import KEY

INFERENCE = {"overlap": 0.25, "batch_size": 4, "precision": "float32"}


def import_into(example, results, uri=None, **changes):
    """Import the example into a results folder; return what the marker says."""
    content, report = example
    marker = results / "reports" / "example" / "mlflow.json"
    log_to_mlflow({**content, **changes}, report / "index.html", report / "figures", uri, results, marker)
    return storage.read_json(marker)


def snapshot(client, name="example"):
    experiment = client.get_experiment_by_name(name)
    return {run.data.tags[KEY]: run for run in client.search_runs([experiment.experiment_id])}


def client_of(results):
    """Open a copy: mlflow keeps connections to a path, even when another file has taken its place."""
    copy = results / f"copy{len(list(results.iterdir()))}.db"
    shutil.copyfile(results / "mlflow.db", copy)
    return look_at(f"sqlite:///{copy}")


def look_at(address):
    """Return a client; the fluent interface, which reads tables and loads models, looks there too."""
    mlflow.set_tracking_uri(address)
    mlflow.set_registry_uri(address)
    return MlflowClient(address, registry_uri=address)


def train(entry, run, seed=0, channels=1):
    """Let a run of the example be what the pipeline leaves: a checkpoint, and the prediction and scores of it."""
    torch.manual_seed(seed)
    folder = run["run"]
    classes = storage.open_store(entry["stack"]).attrs["classes"]
    architecture = {"method": "unet", "encoder": None, "width": 4, "depth": 2}
    model = SegmentationModel(
        Plugin("architectures").resolve(architecture), Normalisation(channels), channels, len(classes)
    )
    facts = {"classes": classes, "patch_size": [32, 32], "neighbours": 0}
    save_checkpoint(folder / "checkpoint.pt", model.eval(), facts)
    shutil.rmtree(folder / "prediction.zarr")
    predict_stack(
        entry["stack"],
        entry["split"],
        folder / "checkpoint.pt",
        folder / "prediction.zarr",
        InferenceSettings(**INFERENCE),
    )
    identity = {key: run[key] for key in ("dataset", "model", "replicate")} | {"split": "test"}
    scores = folder / "metrics.json", folder / "per_image.csv"
    score_prediction(entry["stack"], folder / "prediction.zarr", *scores, identity)
    recipe = {"architecture": architecture, "patching": {"neighbours": 0, "depth": None}}
    recipe["training"] = {"learning_rate": 0.001, "batch_size": 8}
    set_recipe(run, recipe)


def set_recipe(run, recipe):
    """Let a training record say that it was of this recipe."""
    training = storage.read_json(run["run"] / "training.json")
    training["provenance"]["settings"] = {"recipe": recipe, "seed": 0}
    storage.write_json(run["run"] / "training.json", training)


def predicted(entry, run):
    """Return the test images (n, c, y, x) and what the pipeline predicted of them (n, y, x)."""
    store = storage.open_store(run["run"] / "prediction.zarr")
    index = np.asarray(store["index"][:])
    return np.asarray(storage.open_array(entry["stack"], "image")[:])[index], np.asarray(store["label"][:])


@contextmanager
def serving(folder: Path, store: str, artifacts: Path, seconds: int = 300):
    """Yield the address of a real server of a database; it ends with the block, or after so many seconds."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
    environment["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"  # starts in half the time
    words = ["server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1", "--backend-store-uri", store]
    command = [
        "timeout",
        str(seconds),
        sys.executable,
        "-m",
        "mlflow",
        *words,
        "--artifacts-destination",
        str(artifacts),
    ]
    with (folder / "server.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True)
        try:
            wait_for(f"http://127.0.0.1:{port}", process)
            yield f"http://127.0.0.1:{port}"
        finally:
            os.killpg(process.pid, 15)
            process.wait(20)


def wait_for(uri, process):
    for _ in range(240):
        if process.poll() is not None:
            raise AssertionError("the MLflow server ended before it answered")
        try:
            with urllib.request.urlopen(f"{uri}/health", timeout=1):
                return
        except OSError:
            time.sleep(0.25)
    raise AssertionError("the MLflow server did not answer within a minute")
