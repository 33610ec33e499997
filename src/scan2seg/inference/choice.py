"""Which trained model is meant: a checkpoint, the folder of a run, or the winner of a report."""

from dataclasses import replace
from pathlib import Path

from scan2seg.config.training import InferenceSettings
from scan2seg.documents import Json
from scan2seg.errors import InputError
from scan2seg.evaluation.ranking import rank
from scan2seg.evaluation.runs import Run, locate_run, read_run
from scan2seg.logging import info
from scan2seg.storage import open_store


def find_checkpoint(path: Path, dataset: str | None = None) -> Path:
    """Return the checkpoint that a path means.

    Of a report's folder it is the first model of the ranking that is no ensemble, by its mean over replicates, and of
    its replicates the best on validation images.

    Args:
        path: checkpoint.pt, a run's folder, or results/reports/EXPERIMENT.
        dataset: of a report with several: the one whose winner is meant.

    Raises:
        InputError: there is no such thing, or the report has several datasets and none is named.
    """
    if path.is_file():
        return path
    if (path / "checkpoint.pt").is_file():
        return path / "checkpoint.pt"
    if not (path / "runs").is_dir():
        raise InputError(
            f"{path}: is no checkpoint, no folder of a run and no report; give results/reports/EXPERIMENT for its "
            "winner, or results/reports/EXPERIMENT/runs/DATASET/MODEL/REPLICATE"
        )
    names = sorted(folder.name for folder in (path / "runs").iterdir())
    if dataset not in names and (dataset or len(names) != 1):
        raise InputError(f"{path}: say the dataset by --dataset, one of {', '.join(names)}")
    return _find_winner(path / "runs" / (dataset or names[0]))


def _find_winner(runs: Path) -> Path:
    folders = {path.parent: path for path in runs.glob("*/*/metrics.json")}
    read = {_name(folder): _read(folder) for folder in folders if (folder / "checkpoint.pt").is_file()}
    if not read:
        raise InputError(f"{runs}: holds no finished run; run the experiment first")
    ((first, *_),) = rank(read.values(), None).values()
    info("%s is the winner of %s", first.chosen.name, runs)
    return runs / first.chosen.name / "checkpoint.pt"


def _name(folder: Path) -> str:
    return f"{folder.parent.name}/{folder.name}"


def _read(folder: Path) -> Run:
    dataset, model, replicate = folder.parts[-3:]
    return read_run(replace(locate_run(folder, folder, (dataset, model, replicate)), timing=None))


def find_settings(checkpoint: Path) -> InferenceSettings:
    """Return how the model was applied when it was scored, from the prediction beside it; else the defaults."""
    prediction = checkpoint.parent / "prediction.zarr"
    if not prediction.exists():
        return InferenceSettings()
    attributes: Json = open_store(prediction).attrs.asdict()
    return InferenceSettings.model_validate(attributes["provenance"]["settings"]["inference"])
