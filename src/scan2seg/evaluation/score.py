"""The stage ``score_prediction``: one prediction against the labels of its stack, image by image."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scan2seg import logging, provenance, storage
from scan2seg.documents import Json
from scan2seg.errors import InputError
from scan2seg.evaluation import statistics
from scan2seg.evaluation.confusion import overlap_counts
from scan2seg.evaluation.measurement import Measurement, number
from scan2seg.evaluation.measures.agreement import balanced_accuracy
from scan2seg.evaluation.measures.controls import negative_control
from scan2seg.evaluation.metrics import (
    IMAGE_SCORES,
    class_scores,
    image_scores,
    mean_present,
    pixel_accuracy,
    stray_pixels,
)
from scan2seg.evaluation.microstructure import Microstructure, compare
from scan2seg.evaluation.pair import Pair
from scan2seg.evaluation.runs import COUNTS
from scan2seg.evaluation.units import MINIMUM_UNITS, choose_units
from scan2seg.evaluation.volume_scores import score_cases
from scan2seg.ignore import IGNORE
from scan2seg.replacement import replacing

IDENTITY = ("dataset", "model", "replicate", "split")


def score_prediction(stack: Path, prediction: Path, metrics: Path, per_image: Path, identity: dict[str, str]) -> None:
    """Score a prediction and write ``metrics.json`` and ``per_image.csv``.

    IoU, Dice, precision and recall come from the confusion matrix summed over all known pixels of all images; the
    means over images stand beside them under "mean_image" (see ``metrics.image_scores`` for their definition).
    Means over classes are over those that the truth of the scored images holds; "stray_pixels" counts what is predicted
    beside them.
    "measures" holds what ``measurement`` and ``volume_scores`` describe: agreement beyond chance, surfaces in the unit
    of the pixel sizes, particles, the scores by distance to the image's edge, the calibration where ``probability`` was
    kept, and volumes and patients as a whole. per_image.csv has those of each image.

    One image is in memory at a time, and of volumes that are scored as a whole one volume.

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
    opened = Pair(stack, prediction)
    matrices, rows, found = _score_images(opened, identity)
    if len(matrices) < len(opened):
        logging.warn("%d of %d images have no label and are not scored", len(opened) - len(matrices), len(opened))
    counts = np.stack(list(matrices.values()))
    content = {key: identity[key] for key in IDENTITY} | _summary(counts, rows, opened.classes)
    for name, pixels in content["stray_pixels"].items():
        logging.warn("%d pixels are predicted as '%s', which the truth of no image holds", pixels, name)
    content |= found
    content["measures"]["cases"] = score_cases(opened, matrices)
    content["provenance"] = provenance.record({"identity": identity}, [stack, prediction])
    _write_rows(per_image, rows)
    storage.write_json(metrics, content)


def _score_images(opened: Pair, identity: dict[str, str]) -> tuple[dict[int, NDArray[np.int64]], list[Json], Json]:
    """Return the confusion matrix of each labelled image, the rows of per_image.csv, and what was measured of all."""
    unit = "micrometre" if opened.pixel_sizes else "pixel"
    truth, predicted = Microstructure(len(opened.classes)), Microstructure(len(opened.classes))
    measured = Measurement(opened.classes, unit)
    matrices: dict[int, NDArray[np.int64]] = {}
    rows: list[Json] = []
    positive = np.zeros((len(opened.classes),) * 2, np.int64)
    for image, true, guess in logging.progress(opened, "score", total=len(opened)):
        known = true != IGNORE
        if not known.any():
            continue
        matrix = matrices[image] = opened.count(image, true, guess)
        positive += opened.count(image, true, true)
        edge = opened.pixel_sizes[image] if opened.pixel_sizes else 1.0
        truth.add(true, known, edge)
        predicted.add(guess, known, edge)
        labelled = {key: identity[key] for key in IDENTITY} | {"image": opened.names[image], "index": image}
        labelled["group"] = opened.groups[image]
        measures = measured.add(true, guess, matrix, edge)
        measured.add_probabilities(true, opened.read_probabilities(image))
        rows.append(labelled | _image_row(matrix, opened.classes) | measures)
    if not matrices:
        what = f"the dataset has no labels for the {identity['split']} images"
        raise InputError(f"{opened.stack}: {what}, so nothing is scored")
    summed = np.sum(list(matrices.values()), axis=0)
    content = {"microstructure": compare(truth, predicted, opened.classes, unit), "measures": measured.summary(summed)}
    controls = {"shuffled": _control(negative_control(summed)), "truth": _control(positive)}
    return matrices, rows, content | {"controls": controls}


def _control(matrix: NDArray[Any]) -> Json:
    """Return the scores of a control: the prediction with its pixels shuffled, or the truth in the prediction's place.

    The latter goes the way of every prediction, so that anything but 1 is an error of the scoring.
    """
    scores = class_scores(matrix)
    means = {"mean_iou": mean_present(scores["iou"]), "mean_dice": mean_present(scores["dice"])}
    accuracy = {"pixel_accuracy": pixel_accuracy(matrix), "balanced_accuracy": balanced_accuracy(matrix)}
    return {name: number(value) for name, value in {**means, **accuracy}.items()}


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
            name: {key: number(values[index]) for key, values in scores.items()} | {"support": int(support[index])}
            for index, name in enumerate(classes)
        },
        "mean_iou": number(mean_present(scores["iou"])),
        "mean_dice": number(mean_present(scores["dice"])),
        "pixel_accuracy": number(pixel_accuracy(matrix)),
        "stray_pixels": {name: pixels for name, pixels in stray.items() if pixels},
        "confusion_matrix": matrix.tolist(),
        "mean_image": {key: number(np.mean([row[key] for row in rows])) for key in IMAGE_SCORES},
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


def _write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    with replacing(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        for row in rows:
            writer.writerow({key: "" if value != value else value for key, value in row.items()})  # NaN is not itself
