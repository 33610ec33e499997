"""The stage ``score_parts``: a trained model on images of the training and validation parts, beside the test images."""

from pathlib import Path

import numpy as np
import zarr
from numpy.typing import NDArray

from scan2seg.config.training import InferenceSettings
from scan2seg.device import set_threads
from scan2seg.documents import Json
from scan2seg.evaluation.confusion import confusion_matrix
from scan2seg.evaluation.measurement import number
from scan2seg.evaluation.metrics import class_scores, mean_present, pixel_accuracy
from scan2seg.inference.plan import read_plan
from scan2seg.inference.prediction import check_channels, walk_labels
from scan2seg.inference.tiling import Predictor
from scan2seg.logging import info, progress
from scan2seg.provenance import record
from scan2seg.replicates import sides_of
from scan2seg.slices import find_runs, list_volumes
from scan2seg.storage import open_store, read_json, write_json

PARTS = ("train", "validation")
SEED = 0
"""Of the draw, whatever the model's seed is: all models of a dataset are scored on the same images."""


def score_parts(
    stack: Path,
    split: Path,
    checkpoint: Path,
    output: Path,
    inference: InferenceSettings,
    *,
    most: int,
    fold: int | None = None,
    plan: Path | None = None,
    threads: int = 1,
) -> None:
    """Apply a model to training and validation images as it is applied to test images, and write its scores on each.

    No prediction is kept, and one image is in memory at a time. Nothing reads these scores but tables.

    Args:
        stack: the images and their labels.
        split: split.json.
        checkpoint: the trained model.
        output: the JSON file to write: under "parts" the scores of each part that holds images with labels, from the
            confusion matrix summed over them, with their places in the stack and how many the part has.
        inference: how the model is applied.
        most: images of a part, drawn by a fixed seed; a smaller part is scored as a whole.
        fold: of the cross-validation that the model was trained in, None for the split's own parts.
        plan: plan.json, where the settings ask for one.
        threads: processor cores.

    Raises:
        InputError: the model was trained on other channels.
    """
    set_threads(threads)
    inference = read_plan(plan, inference)
    predictor, store, divided = Predictor(checkpoint, inference), open_store(stack), read_json(split)
    check_channels(store["image"], predictor, checkpoint, stack)
    sides = sides_of(divided, fold)
    parts: Json = {}
    for part in PARTS:
        drawn = draw_images(sides[part], most)
        matrix = _count_pixels(store, drawn, predictor, part)
        if matrix.any():
            parts[part] = {"images": drawn, "of": len(sides[part]), **_score(matrix, predictor.classes)}
            info("%s: mean IoU %.4f on %d of %d images", part, parts[part]["mean_iou"], len(drawn), len(sides[part]))
    settings = {"inference": inference.model_dump(mode="json"), "most": most, "seed": SEED, "fold": fold}
    used = [stack, split, checkpoint, *([plan] if plan is not None else [])]
    write_json(output, {"parts": parts, "provenance": record(settings, used)})


def draw_images(indices: list[int], most: int) -> list[int]:
    """Return at most so many of the images, ascending, the same ones each time."""
    if len(indices) <= most:
        return sorted(indices)
    drawn = np.random.default_rng(SEED).choice(len(indices), most, replace=False)
    return sorted(indices[place] for place in drawn.tolist())


def _count_pixels(store: zarr.Group, images: list[int], predictor: Predictor, part: str) -> NDArray[np.int64]:
    """Return the confusion matrix of all images together."""
    classes = len(predictor.classes)
    total = np.zeros((classes, classes), np.int64)
    found = walk_labels(store, find_runs(list_volumes(store), images), predictor)
    for image, labels in progress(zip(images, found, strict=True), f"score {part}", total=len(images)):
        height, width = labels.shape
        truth = np.asarray(store["label"][image])[:height, :width]  # type: ignore[index]
        total += confusion_matrix(truth, labels, classes)
    return total


def _score(matrix: NDArray[np.int64], classes: list[str]) -> Json:
    scores = class_scores(matrix)
    return {
        "mean_iou": number(mean_present(scores["iou"])),
        "mean_dice": number(mean_present(scores["dice"])),
        "pixel_accuracy": number(pixel_accuracy(matrix)),
        "classes": {name: number(value) for name, value in zip(classes, scores["iou"].tolist(), strict=True)},
    }
