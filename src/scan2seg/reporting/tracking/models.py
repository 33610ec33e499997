"""Trained models in MLflow's own format, and the best one of a dataset under the alias ``best``.

A model is its checkpoint, its inference settings, and the name of the module that loads them: nothing is pickled.
"""

import atexit
import os
import shutil
import tempfile
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np

from scan2seg import __version__, storage
from scan2seg.reporting.tracking import loading
from scan2seg.reporting.tracking.record import ModelUse, clean_name

KEY = "scan2seg.key"
ALIAS = "best"
_RUN, _MODEL = "0" * 32, f"m-{'1' * 32}"
"""Stand in the template's description for the ids of run and model."""
NEEDED = ("mlflow", "torch", "numpy", "zarr", "segmentation-models-pytorch", "monai", "timm")


def log_model(client: Any, experiment: str, run: str, use: ModelUse, local: bool) -> str:
    """Log a model as an output of a run; return its id.

    Args:
        client: MLflow's.
        experiment: the id of the experiment.
        run: the id of the run that trained it.
        use: the model.
        local: whether the artifacts lie on this machine; then the checkpoint is linked, where that can be, not copied.
    """
    from mlflow.entities import LoggedModelOutput

    named = {"name": use.name(), "tags": use.tags(), "model_type": use.KIND}
    logged = client.create_logged_model(experiment, source_run_id=run, **named)
    identity = str(logged.model_id)
    try:
        if local:
            write_model(local_path(logged.artifact_location), use, run, identity)
        else:
            with tempfile.TemporaryDirectory() as scratch:
                folder = Path(scratch, "model")
                write_model(folder, use, run, identity)
                client.log_model_artifacts(identity, str(folder))
        client.finalize_logged_model(identity, "READY")
        client.log_outputs(run, [LoggedModelOutput(identity, 0)])
    except BaseException:
        client.delete_logged_model(identity)
        raise
    return identity


def local_path(uri: str) -> Path:
    """Return the path of a ``file://`` address."""
    return Path(unquote(urlsplit(uri).path))


def register_best(client: Any, experiment: str, winners: dict[str, tuple[str, str]]) -> None:
    """Register the best model of each dataset under the alias ``best``, and forget those of runs that are no more.

    Args:
        client: MLflow's.
        experiment: the name of the experiment; the registered model has it, with several datasets followed by theirs.
        winners: dataset to the id of the run and of the model.
    """
    names = {
        clean_name(experiment if len(winners) == 1 else f"{experiment}-{dataset}").replace("/", "-"): found
        for dataset, found in winners.items()
    }
    for name, (run, model) in names.items():
        known = _find_registered(client, name)
        if known is None:
            client.create_registered_model(name, tags={KEY: experiment})
        elif known.tags.get(KEY) != experiment:
            continue  # somebody else's
        versions = _list_versions(client, name)
        version = next((found for found in versions if found.run_id == run), None)
        if version is None:
            # not "models:/ID", which MLflow looks for in whatever store the environment names
            place = client.get_logged_model(model).artifact_location
            version = client.create_model_version(name, place, run_id=run, model_id=model)
        if known is None or known.aliases.get(ALIAS) != str(version.version):
            client.set_registered_model_alias(name, ALIAS, str(version.version))
        for old in versions:
            if old.run_id != run and not _is_active(client, old.run_id):
                client.delete_model_version(name, old.version)


def delete_models(client: Any, run: Any) -> None:
    """Delete the models that a run, which is deleted too, has as its outputs."""
    for output in run.outputs.model_outputs if run.outputs else ():
        client.delete_logged_model(output.model_id)


def write_model(folder: Path, use: ModelUse, run: str, identity: str) -> None:
    """Write a model in MLflow's format into a folder.

    Args:
        folder: to write; its files are added.
        use: the model.
        run: the id of the run that trained it.
        identity: the model's own.
    """
    template = _make_template(use.example.tobytes(), use.example.shape, tuple(use.classes))
    shutil.copytree(template, folder, dirs_exist_ok=True)
    described = folder / "MLmodel"
    text = described.read_text("utf-8")
    described.write_text(text.replace(_RUN, run).replace(_MODEL, identity), "utf-8")
    storage.write_json(folder / "data" / "model" / loading.INFERENCE, use.inference)
    _link(use.checkpoint, folder / "data" / "model" / loading.CHECKPOINT)


@cache
def _make_template(example: bytes, shape: tuple[int, ...], classes: tuple[str, ...]) -> Path:
    """Return a folder, kept as long as the process, with what models of the same images and classes have in common.

    MLflow's own writing of the description takes longer than everything else of a run together.
    """
    import mlflow.pyfunc
    from mlflow.models import Model, ModelSignature
    from mlflow.types import Schema, TensorSpec

    free = (-1,) * (len(shape) - 2)
    signature = ModelSignature(
        Schema([TensorSpec(np.dtype("float32"), (-1, shape[1], *free))]),
        Schema([TensorSpec(np.dtype("uint8"), (-1, *free))]),
    )
    scratch = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, scratch, ignore_errors=True)
    (scratch / "data" / "model").mkdir(parents=True)
    template = scratch / "template"
    mlflow.pyfunc.save_model(
        str(template),
        loader_module=loading.__name__,
        data_path=str(scratch / "data" / "model"),
        signature=signature,
        input_example=np.frombuffer(example, np.float32).reshape(shape),
        # without scan2seg itself: an index may have another package of that name
        pip_requirements=[f"{name}=={metadata.version(name)}" for name in NEEDED if _is_installed(name)],
    )
    described = Model.load(str(template))
    described.run_id, described.model_id = _RUN, _MODEL
    described.metadata = {
        "classes": list(classes),
        "scan2seg": __version__,
        "needs": f"scan2seg {__version__}, installed",
    }
    described.save(str(template / "MLmodel"))
    return template


def _link(source: Path, target: Path) -> None:
    """Make a second name of a file, which is never changed in place; a copy where the file system has no such names."""
    try:
        os.link(source.resolve(), target)
    except OSError:
        shutil.copyfile(source, target)


def _is_installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def _find_registered(client: Any, name: str) -> Any:
    from mlflow.exceptions import MlflowException

    try:
        return client.get_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return None


def _list_versions(client: Any, name: str) -> list[Any]:
    quoted = name.replace("'", "")
    return list(client.search_model_versions(f"name = '{quoted}'"))


def _is_active(client: Any, run: str) -> bool:
    from mlflow.exceptions import MlflowException

    try:
        return bool(client.get_run(run).info.lifecycle_stage == "active")
    except MlflowException:
        return False
