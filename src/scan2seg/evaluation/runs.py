"""The runs of an experiment read back: scores, costs, and the counts of every image."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scan2seg import storage
from scan2seg.documents import Json
from scan2seg.errors import InputError
from scan2seg.evaluation.metrics import mean_iou
from scan2seg.evaluation.unions import score_unions

IDENTITY = ("dataset", "model", "replicate")
COUNTS = ("intersection", "union", "truth")
"""The counts of a class in per_image.csv, in the order of ``overlap_counts``."""


@dataclass(frozen=True)
class Images:
    """The images of one run by their place in the stack: index (n,), names, groups, and their scores.

    ``counts`` is (n, 3, classes), see ``overlap_counts``; ``scores`` the mean IoU of each image, (n,).
    """

    index: NDArray[np.int64]
    names: list[str]
    groups: list[str]
    counts: NDArray[np.int64]
    scores: NDArray[np.float64]


@dataclass(frozen=True)
class Run:
    """One model trained once: its metrics, what it cost, and its images; training and timing are empty if unknown."""

    metrics: Json
    training: Json
    timing: Json
    images: Images
    unions: dict[str, Json] = field(default_factory=dict)
    """The scores of each union of classes; see ``unions.score_unions``."""
    parts: dict[str, Json] = field(default_factory=dict)
    """The scores on images of the parts "train" and "validation", where they were asked for."""

    @property
    def dataset(self) -> str:
        """The name of the dataset."""
        return str(self.metrics["dataset"])

    @property
    def model(self) -> str:
        """The name of the model."""
        return str(self.metrics["model"])

    @property
    def replicate(self) -> str:
        """The name of the replicate."""
        return str(self.metrics["replicate"])

    @property
    def name(self) -> str:
        """The run in words, MODEL/REPLICATE."""
        return f"{self.model}/{self.replicate}"

    @property
    def validation_score(self) -> float | None:
        """The monitored score of the best epoch on the validation images; None where there is none."""
        score = self.training.get("validation_score")
        return None if score is None else float(score)


@dataclass(frozen=True)
class RunFiles:
    """The files of a run, and what an experiment says of it; those of costs need not exist."""

    metrics: Path
    per_image: Path
    training: Path | None = None
    timing: Path | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    """The dataset, model and replicate that it is for the experiment, where they are not those of the metrics."""
    unions: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """The unions of classes of its dataset."""
    parts: Path | None = None
    """The file of its scores on training and validation images."""


def locate_run(
    folder: Path,
    applied: Path,
    names: Sequence[str] = (),
    unions: Mapping[str, Sequence[str]] | None = None,
    parts: Path | None = None,
) -> RunFiles:
    """Return the files of a run.

    Args:
        folder: of its training.
        applied: of its application, the same or one below.
        names: the dataset, model and replicate that it is for an experiment.
        unions: name to classes of each union of classes of its dataset.
        parts: the file of its scores on training and validation images, where they were asked for.
    """
    return RunFiles(
        applied / "metrics.json",
        applied / "per_image.csv",
        folder / "training.json",
        applied / "timing.json",
        dict(zip(IDENTITY, names, strict=False)),
        unions or {},
        parts,
    )


def read_run(files: RunFiles) -> Run:
    """Read one run from its files.

    Raises:
        InputError: a file is missing or does not belong to the others.
    """
    metrics = storage.read_json(files.metrics) | files.names
    images = _read_images(files.per_image, list(metrics["classes"]))
    unions = score_unions(metrics, files.unions)
    parts = _optional(files.parts).get("parts") or {}
    return Run(metrics, _optional(files.training), _optional(files.timing), images, unions, parts)


def choose_replicate(runs: list[Run]) -> Run:
    """Return the run of one model with the best score on its validation images; the test images have no part in it.

    Where no score is known, as of classical models and ensembles, it is the first one.
    """
    known = [(run.validation_score, run) for run in runs if run.validation_score is not None]
    if not known:
        return runs[0]
    sign = 1 if known[0][1].training.get("monitor") == "validation_mean_iou" else -1
    return max(known, key=lambda pair: sign * pair[0])[1]


def check_same_images(runs: list[Run]) -> None:
    """Refuse runs of one dataset that were scored on unlike images, labels or classes: they cannot be compared.

    Raises:
        InputError: two runs differ.
    """
    first = runs[0]
    for run in runs[1:]:
        same = list(run.metrics["classes"]) == list(first.metrics["classes"])
        same = same and np.array_equal(run.images.index, first.images.index)
        if not same or not np.array_equal(run.images.counts[:, 2], first.images.counts[:, 2]):
            pair = f"{first.name} and {run.name}"
            raise InputError(f"{run.dataset}: {pair} were scored on unlike images or labels; score both again")


def _read_images(path: Path, classes: list[str]) -> Images:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = sorted(csv.DictReader(file), key=lambda row: int(row["index"]))
        counted = [[[int(row[f"{kind}_{name}"]) for name in classes] for kind in COUNTS] for row in rows]
        counts = np.array(counted, dtype=np.int64).reshape(len(rows), len(COUNTS), len(classes))
        groups = [row["group"] for row in rows]
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise InputError(f"{path}: is not a table of scores per image ({error}); score the run again") from None
    index = np.array([int(row["index"]) for row in rows], dtype=np.int64)
    return Images(index, [row["image"] for row in rows], groups, counts, mean_iou(counts))


def _optional(path: Path | None) -> Json:
    return dict(storage.read_json(path)) if path is not None and path.exists() else {}
