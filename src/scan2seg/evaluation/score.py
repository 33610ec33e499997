"""The stage ``score_prediction``: one prediction against the labels of its stack, image by image."""

import csv
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from scan2seg import logging, provenance, storage
from scan2seg.errors import InputError
from scan2seg.evaluation import statistics
from scan2seg.evaluation.confusion import IGNORE, confusion_matrix, overlap_counts
from scan2seg.evaluation.metrics import (
    IMAGE_SCORES,
    class_scores,
    image_scores,
    mean_present,
    pixel_accuracy,
    stray_pixels,
)
from scan2seg.evaluation.microstructure import Microstructure, compare
from scan2seg.evaluation.runs import COUNTS
from scan2seg.evaluation.units import MINIMUM_UNITS, choose_units
from scan2seg.slices import read_pixel_sizes

IDENTITY = ("dataset", "model", "replicate", "split")


def score_prediction(stack: Path, prediction: Path, metrics: Path, per_image: Path, identity: dict[str, str]) -> None:
    """Score a prediction and write ``metrics.json`` and ``per_image.csv``.

    IoU, Dice, precision and recall come from the confusion matrix summed over all known pixels of all images; the
    means over images stand beside them under "mean_image" (see ``metrics.image_scores`` for their definition).
    Means over classes are over those that the truth of the scored images holds; "stray_pixels" counts what is predicted
    beside them.
    One image is in memory at a time.

    Args:
        stack: Zarr with ``label`` (n, y, x), 255 = unknown, ``size`` (n, 2) true heights and widths, and the
            attributes ``classes``, ``names``, ``groups`` and ``pixel_size`` or ``pixel_sizes``.
        prediction: Zarr with ``label`` (m, y, x) and ``index`` (m,), the place of each image in the stack.
        metrics: the JSON file to write.
        per_image: the CSV file to write.
        identity: "dataset", "model", "replicate" and "split", repeated in both files.

    Raises:
        InputError: the stores do not fit each other, a label is out of range, or no label is known.
    """
    opened = _Pair(stack, prediction)
    truth, predicted = Microstructure(len(opened.classes)), Microstructure(len(opened.classes))
    matrices, rows = [], []
    for image, true, guess in logging.progress(opened, "score", total=len(opened)):
        known = true != IGNORE
        if not known.any():
            continue
        matrix = opened.count(image, true, guess)
        edge = opened.pixel_sizes[image] if opened.pixel_sizes else 1.0
        truth.add(true, known, edge)
        predicted.add(guess, known, edge)
        matrices.append(matrix)
        labelled = {key: identity[key] for key in IDENTITY} | {"image": opened.names[image], "index": image}
        labelled["group"] = opened.groups[image]
        rows.append(labelled | _image_row(matrix, opened.classes))
    if not matrices:
        raise InputError(f"{stack}: the dataset has no labels for the {identity['split']} images, so nothing is scored")
    if len(matrices) < len(opened):
        logging.warn("%d of %d images have no label and are not scored", len(opened) - len(matrices), len(opened))
    content = {key: identity[key] for key in IDENTITY} | _summary(np.stack(matrices), rows, opened.classes)
    for name, pixels in content["stray_pixels"].items():
        logging.warn("%d pixels are predicted as '%s', which the truth of no image holds", pixels, name)
    unit = "micrometre" if opened.pixel_sizes else "pixel"
    content["microstructure"] = compare(truth, predicted, opened.classes, unit)
    settings = {"identity": identity}
    content["provenance"] = provenance.record(settings, [stack, prediction])
    _write_rows(per_image, rows)
    storage.write_json(metrics, content)


class _Pair:
    """A stack and a prediction that fit each other; iterates over index, truth (y, x) and prediction (y, x)."""

    def __init__(self, stack: Path, prediction: Path) -> None:
        group = storage.open_store(stack)
        if "label" not in group:
            raise InputError(f"{stack}: the dataset has no labels, so nothing can be scored")
        self.truth = storage.open_array(stack, "label")
        self.guess = storage.open_array(prediction, "label")
        self.sizes = np.asarray(storage.open_array(stack, "size")[:])
        self.index = np.asarray(storage.open_array(prediction, "index")[:]).astype(np.int64)
        self.classes = [str(name) for name in _attribute(group, stack, "classes")]
        self.names = [str(name) for name in _attribute(group, stack, "names")]
        self.groups = [str(name) for name in _attribute(group, stack, "groups")]
        self.pixel_sizes = read_pixel_sizes(group)
        self.prediction = prediction
        self._check(stack)

    def _check(self, stack: Path) -> None:
        advice = "predict again from this stack"
        if self.guess.shape[1:] != self.truth.shape[1:]:
            shapes = f"images are {self.guess.shape[1:]}, those of {stack} {self.truth.shape[1:]}"
            raise InputError(f"{self.prediction}: {shapes}; {advice}")
        if len(self) != self.guess.shape[0]:
            raise InputError(f"{self.prediction}: {self.guess.shape[0]} images but {len(self)} indices; {advice}")
        count = self.truth.shape[0]
        if ((self.index < 0) | (self.index >= count)).any():
            raise InputError(f"{self.prediction}: names images that {stack} (0 to {count - 1}) lacks; {advice}")
        if len(set(self.index.tolist())) != len(self.index):
            raise InputError(f"{self.prediction}: holds an image twice; {advice}")

    def __len__(self) -> int:
        return len(self.index)

    def __iter__(self) -> Iterator[tuple[int, NDArray[Any], NDArray[Any]]]:
        for place, image in enumerate(self.index.tolist()):
            height, width = (int(length) for length in self.sizes[image])
            true = np.asarray(self.truth[image, :height, :width])
            yield image, true, np.asarray(self.guess[place, :height, :width])

    def count(self, image: int, true: NDArray[Any], guess: NDArray[Any]) -> NDArray[np.int64]:
        """Return the confusion matrix of one image."""
        try:
            return confusion_matrix(true, guess, len(self.classes))
        except ValueError as error:
            where = f"{self.prediction}: image '{self.names[image]}'"
            raise InputError(f"{where}: {error}; check the classes of the dataset") from None


def _attribute(group: zarr.Group, stack: Path, name: str) -> list[Any]:
    value: Any = group.attrs.get(name)
    if not isinstance(value, list):
        raise InputError(f"{stack}: has no attribute '{name}'; assemble the stack again")
    return value


def _image_row(matrix: NDArray[np.int64], classes: list[str]) -> dict[str, float | int]:
    """Return the scores and, so that any interval can be computed again, the counts of one image."""
    iou = class_scores(matrix)["iou"]
    row: dict[str, float | int] = {**image_scores(matrix), "pixels": int(matrix.sum())}
    row |= {f"iou_{name}": float(iou[index]) for index, name in enumerate(classes)}
    for kind, counts in zip(COUNTS, overlap_counts(matrix).tolist(), strict=True):
        row |= {f"{kind}_{name}": count for name, count in zip(classes, counts, strict=True)}
    return row


def _summary(matrices: NDArray[np.int64], rows: list[dict[str, Any]], classes: list[str]) -> dict[str, Any]:
    matrix = matrices.sum(0)
    scores, support = class_scores(matrix), matrix.sum(1)
    stray = dict(zip(classes, stray_pixels(matrix).tolist(), strict=True))
    return {
        "images": len(matrices),
        "classes": {
            name: {key: _number(values[index]) for key, values in scores.items()} | {"support": int(support[index])}
            for index, name in enumerate(classes)
        },
        "mean_iou": _number(mean_present(scores["iou"])),
        "mean_dice": _number(mean_present(scores["dice"])),
        "pixel_accuracy": _number(pixel_accuracy(matrix)),
        "stray_pixels": {name: pixels for name, pixels in stray.items() if pixels},
        "confusion_matrix": matrix.tolist(),
        "mean_image": {key: _number(np.mean([row[key] for row in rows])) for key in IMAGE_SCORES},
        "confidence": _confidence(matrices, rows),
    }


def _confidence(matrices: NDArray[np.int64], rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the interval of the mean IoU, and over what it was resampled; null where there are too few of that."""
    order = np.argsort([row["index"] for row in rows])
    scores = np.array([row["mean_iou"] for row in rows])[order]
    units = choose_units([rows[place]["group"] for place in order], [scores])
    interval = statistics.bootstrap_mean_iou(units.sum(overlap_counts(matrices)[order]))
    return {
        "mean_iou": list(interval) if interval else None,
        "level": statistics.LEVEL,
        "method": "percentile bootstrap",
        "units": units.count,
        "over": units.words if units.enough else f"{units.words}: too few, at least {MINIMUM_UNITS} are needed",
        "resamples": statistics.RESAMPLES,
        "seed": statistics.SEED,
    }


def _number(value: Any) -> float | None:
    return None if math.isnan(value) else float(value)


def _write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    with storage.replacing(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        for row in rows:
            writer.writerow({key: "" if value != value else value for key, value in row.items()})  # NaN is not itself
