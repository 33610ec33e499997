"""Which trained model is meant: a checkpoint, the folder of a run, or the winner of a report."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from scan2seg.config.training import InferenceSettings
from scan2seg.documents import Json
from scan2seg.errors import InputError
from scan2seg.evaluation.ranking import rank
from scan2seg.evaluation.runs import RunFiles, locate_run, read_run
from scan2seg.inference.members import Member
from scan2seg.inference.plan import read_chosen_plan
from scan2seg.inference.recorded_settings import recall
from scan2seg.provenance import locate_inputs
from scan2seg.storage import open_store, read_json

EXPORTED_SETTINGS = "inference.json"
"""Beside the checkpoint in the folder of an exported model: how it was applied when it was scored."""


def find_members(path: Path, dataset: str | None = None) -> list[Member]:
    """Return the model that a path means, or the members of an ensemble, each as it was applied when it was scored.

    Of a report's folder it is the first model of the ranking, by its mean over replicates, and of its replicates the
    best on validation images.

    Args:
        path: checkpoint.pt, the folder of a run, of one application of it or of an exported model, or
            results/reports/EXPERIMENT.
        dataset: of a report with several: the one whose winner is meant.

    Raises:
        InputError: there is no such thing, the report has several datasets and none is named, or a member is missing.
    """
    if path.is_file():
        return [Member(path, _find_settings(path))]
    if (path / "checkpoint.pt").is_file():
        return [Member(path / "checkpoint.pt", _find_settings(path / "checkpoint.pt"))]
    if (path.parent / "checkpoint.pt").is_file() and (path / "prediction.zarr").is_dir():
        return [Member(path.parent / "checkpoint.pt", _read_settings(path / "prediction.zarr"))]
    if (path / "prediction.zarr").is_dir():
        return _find_ensemble(path / "prediction.zarr")
    if not (path / "runs").is_dir():
        raise InputError(
            f"{path}: is no checkpoint, no folder of a run or an exported model and no report; give "
            "results/reports/EXPERIMENT for its winner, or results/reports/EXPERIMENT/runs/DATASET/MODEL/REPLICATE"
        )
    names = sorted(folder.name for folder in (path / "runs").iterdir() if folder.is_dir())
    if dataset not in names and (dataset or len(names) != 1):
        raise InputError(f"{path}: say the dataset by --dataset, one of {', '.join(names)}")
    return find_members(_find_winner(path / "runs" / (dataset or names[0])))


def find_checkpoint(path: Path, dataset: str | None = None) -> Path:
    """Return the checkpoint of the model that a path means; see ``find_members``.

    Raises:
        InputError: as there, or it is an ensemble, which has none of its own.
    """
    first, *others = find_members(path, dataset)
    if others:
        runs = ", ".join(str(member.checkpoint.parent) for member in (first, *others))
        raise InputError(f"{path}: is an ensemble of {runs}; give one of them")
    return first.checkpoint


def _find_ensemble(prediction: Path) -> list[Member]:
    attributes: Json = open_store(prediction).attrs.asdict()
    provenance = attributes.get("provenance", {})
    if "members" not in provenance.get("settings", {}):
        raise InputError(f"{prediction.parent}: has no checkpoint.pt; train the model again")
    members = []
    for store in locate_inputs(prediction, provenance, "prediction.zarr"):
        folders = (store.parent, store.parent.parent)
        checkpoint = next((path for path in (folder / "checkpoint.pt" for folder in folders) if path.is_file()), None)
        if checkpoint is None:
            raise InputError(f"{store}: a member of {prediction.parent}; its checkpoint.pt is missing")
        members.append(Member(checkpoint, _read_settings(store)))
    return members


def choose_members(
    runs: Sequence[Sequence[str]], members: Sequence[str], inference: Mapping[str, InferenceSettings], results: Path
) -> tuple[str, list[Member]]:
    """Return the run to use, or the members of an ensemble, with its name, MODEL/REPLICATE, or theirs.

    Args:
        runs: to choose from, see ``choose_model``.
        members: of an ensemble, MODEL/REPLICATE of each; nothing is chosen then.
        inference: how each model is applied.
        results: the folder that the folders of runs count from.

    Raises:
        InputError: a file of a run is missing or unreadable, or they were scored on unlike images.
    """
    folders = {f"{model}/{replicate}": results / folder for _, model, replicate, folder, _ in runs}
    names = list(members) or [choose_model(runs, results)[0]]
    settings = {name: read_chosen_plan(inference[name.split("/")[0]], name, runs, results) for name in names}
    return " + ".join(names), [Member(folders[name] / "checkpoint.pt", settings[name]) for name in names]


def choose_model(runs: Sequence[Sequence[str]], results: Path) -> tuple[str, Path]:
    """Return the run to use, as MODEL/REPLICATE, and its checkpoint.

    The model is the first of the ranking, by its mean over replicates; the replicate the best on validation images.

    Args:
        runs: of one dataset: dataset, model, replicate and the folders of training and scores.
        results: the folder that those count from.

    Raises:
        InputError: a file of a run is missing or unreadable, or they were scored on unlike images.
    """
    folders = {
        f"{model}/{replicate}": (results / folder, results / applied, (dataset, model, replicate))
        for dataset, model, replicate, folder, applied in runs
    }
    name = _choose_run([locate_run(*place) for place in folders.values()])
    return name, folders[name][0] / "checkpoint.pt"


def _find_winner(runs: Path) -> Path:
    scored = [path.parent for path in sorted(runs.glob("*/*/metrics.json"))]
    folders = [folder for folder in scored if _can_be_used(folder)]
    if not folders:
        raise InputError(f"{runs}: holds no finished run; run the experiment first")
    name = _choose_run([locate_run(folder, folder, (runs.name, *folder.parts[-2:])) for folder in folders])
    return runs / name


def _can_be_used(folder: Path) -> bool:
    """Tell whether a run has a checkpoint, or is an ensemble of such."""
    try:
        return bool(find_members(folder))
    except InputError:
        return False


def _choose_run(files: Sequence[RunFiles]) -> str:
    """Return the run to use of the first model of a dataset; times of prediction may be missing and are not read."""
    ((first, *_),) = rank([read_run(replace(each, timing=None)) for each in files], None).values()
    return first.chosen.name


def _find_settings(checkpoint: Path) -> InferenceSettings:
    """Return how the model was applied when it was scored, from the prediction of its run; else the defaults.

    Raises:
        InputError: it was applied in several ways, none of them the default.
    """
    folder = checkpoint.parent
    if (exported := folder / EXPORTED_SETTINGS).is_file():
        return recall(InferenceSettings, read_json(exported), exported, "how the model was applied")
    found = [folder / "prediction.zarr", *sorted(folder.glob("inference-*/prediction.zarr"))]
    predictions = [prediction for prediction in found if prediction.exists()]
    if not predictions:
        return InferenceSettings()
    if len(predictions) > 1 and predictions[0] != found[0]:
        ways = ", ".join(prediction.parent.name for prediction in predictions)
        raise InputError(
            f"{checkpoint}: the model was applied in several ways ({ways}); give it by the report that has the one to "
            "use, results/reports/EXPERIMENT/runs/DATASET/MODEL/REPLICATE"
        )
    return _read_settings(predictions[0])


def _read_settings(prediction: Path) -> InferenceSettings:
    attributes: Json = open_store(prediction).attrs.asdict()
    settings = attributes.get("provenance", {}).get("settings", {})
    if "inference" not in settings:
        raise InputError(f"{prediction}: does not say how the model was applied; predict again, or move it away")
    return recall(InferenceSettings, settings["inference"], prediction, "how the model was applied")
