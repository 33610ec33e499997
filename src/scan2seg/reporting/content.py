"""What a report is made of: the inputs as given, and the runs of an experiment read back."""

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NotRequired, TypedDict

from scan2seg import storage
from scan2seg.config.published import PublishedRow
from scan2seg.config.searched_key import SearchedKey
from scan2seg.config.training import InferenceSettings
from scan2seg.documents import Json
from scan2seg.evaluation.runs import Run, RunFiles, locate_run, read_run


class DatasetInput(TypedDict):
    """One dataset: its stack, its split, and rows of the literature."""

    name: str
    stack: Path | None
    split: Path | None
    published: Sequence[PublishedRow]


class RunInput(TypedDict):
    """One model trained once, with the folders of its training and of its application, mostly the same."""

    dataset: str
    model: str
    replicate: str
    run: Path
    applied: Path
    unions: NotRequired[dict[str, list[str]]]
    parts: NotRequired[Path]


class ScanInput(TypedDict):
    """One scan with its volumes; those that do not exist are None."""

    dataset: str
    scan: str
    reconstruction: Path | None
    denoised: Path | None
    labels: Path | None


class StudyInput(TypedDict):
    """One study on one dataset: the model that it varied, how, by what measure, and the table of its trials."""

    name: str
    dataset: str
    table: Path
    model: str
    sampler: str
    monitor: str
    trials: int
    space: dict[str, SearchedKey]


class SegmentationInput(TypedDict):
    """One segmented scan and its labels, which need not exist."""

    scan: str
    labels: Path


class LabelledFilesInput(TypedDict):
    """A dataset of new images or volumes and the folder of their labels, which need not exist."""

    dataset: str
    labels: Path


class ReportInputs(TypedDict):
    """All inputs of ``render_report``; see there.

    ``settings`` is what the page and MLflow show in full, for people to read: nothing else is decided by it.
    """

    experiment: str
    title: str
    reference: NotRequired[str | None]
    """The model that the others are tested against."""
    ensembles: NotRequired[list[str]]
    """Models that are never trained, and so have no costs and curves."""
    pretrained: NotRequired[list[str]]
    """Models whose encoder is pre-trained."""
    inference: NotRequired[dict[str, InferenceSettings]]
    """How each model is applied."""
    datasets: list[DatasetInput]
    runs: list[RunInput]
    scans: list[ScanInput]
    scores: Path | None
    tables: Path | None
    settings: Json
    segmentations: list[SegmentationInput]
    labelled_files: NotRequired[list[LabelledFilesInput]]
    variants: NotRequired[list[list[str]]]
    studies: list[StudyInput]


@dataclass(frozen=True)
class History:
    """The training curves of one run; each column holds a number or NaN per epoch."""

    columns: dict[str, list[float]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Tell whether there is any epoch."""
        return any(self.columns.values())

    def curve(self, name: str) -> tuple[list[float], list[float]]:
        """Return epochs and values of one column, without the epochs that have none."""
        values = self.columns.get(name, [])
        epochs = self.columns.get("epoch") or [float(place) for place in range(1, len(values) + 1)]
        pairs = [(epoch, value) for epoch, value in zip(epochs, values, strict=False) if math.isfinite(value)]
        return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


@dataclass(frozen=True)
class ReportRun:
    """A run with its scores, its curves and its prediction."""

    folder: Path
    applied: Path
    scores: Run
    history: History

    @property
    def prediction(self) -> Path | None:
        """The predicted labels, None where they were not kept."""
        path = self.file("prediction.zarr")
        return path if path.exists() else None

    def file(self, name: str) -> Path:
        """Return the path of a file of the run, of its application or else of its training."""
        return self.applied / name if (self.applied / name).exists() else self.folder / name


def files_of(entry: RunInput) -> RunFiles:
    """Return the files of a run."""
    names = (entry["dataset"], entry["model"], entry["replicate"])
    return locate_run(entry["run"], entry["applied"], names, entry.get("unions"), entry.get("parts"))


def load_runs(runs: list[RunInput]) -> list[ReportRun]:
    """Read the scored runs; a run without ``metrics.json`` (nothing to score against) is left out."""
    found = []
    for entry in runs:
        folder, applied = Path(entry["run"]), Path(entry["applied"])
        files = files_of(entry)
        if files.metrics.exists():
            found.append(ReportRun(folder, applied, read_run(files), read_history(folder / "history.csv")))
    return found


def read_history(path: Path) -> History:
    """Read ``history.csv``; a missing file or a header alone is an empty history, an unreadable cell is NaN."""
    if not path.exists():
        return History()
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        rows = list(reader)
    return History({name: [_number(row.get(name)) for row in rows] for name in reader.fieldnames or []})


def read_optional_json(path: Path | None) -> Json:
    """Read a JSON object; a missing file is an empty one."""
    return dict(storage.read_json(path)) if path is not None and Path(path).exists() else {}


def _number(text: str | None) -> float:
    try:
        return float(text or "nan")
    except ValueError:
        return float("nan")
