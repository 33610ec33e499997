"""Pictures of test images: raw, truth, prediction, and where the two differ."""

import colorsys
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from scan2seg import storage
from scan2seg.documents import Json
from scan2seg.evaluation.ranking import Ranked
from scan2seg.evaluation.runs import Run
from scan2seg.ignore import IGNORE
from scan2seg.reporting.charts import FigureFolder, data_uri, new_figure, styled
from scan2seg.reporting.content import ReportRun

LONGEST_SIDE = 512
"""Pixels of the longer side of a picture; larger images are shrunk."""
Colour = tuple[int, int, int]
_CLASS_COLOURS: tuple[Colour, ...] = (
    (38, 50, 64), (242, 178, 51), (72, 178, 170), (214, 96, 77), (146, 125, 205), (132, 186, 91), (232, 142, 190),
)  # fmt: skip
FALSE_POSITIVE, FALSE_NEGATIVE, CONFUSED, UNKNOWN = 1, 2, 3, 4
DISCREPANCIES: tuple[tuple[str, Colour], ...] = (
    ("false positive (predicted, not there)", (240, 122, 30)),
    ("false negative (there, not predicted)", (45, 120, 215)),
    ("wrong class", (214, 60, 150)),
    ("unknown, not scored", (150, 150, 150)),
)


@dataclass(frozen=True)
class ModelPicture:
    """The prediction of one model for one image and its differences from the truth, as data URIs."""

    model: str
    replicate: str
    score: float
    labels: str
    discrepancy: str


@dataclass(frozen=True)
class ImagePanel:
    """One test image: why it was chosen, raw and truth as data URIs, and every model's prediction, winner first."""

    reason: str
    name: str
    raw: str
    truth: str
    models: list[ModelPicture]


def class_colours(count: int) -> list[Colour]:
    """Return one colour a class; class 0 is dark and calm."""
    extra = range(len(_CLASS_COLOURS), count)
    spread = [colorsys.hls_to_rgb(index * 0.618 % 1, 0.45 + 0.15 * (index % 3), 0.55) for index in extra]
    more = [(int(255 * red), int(255 * green), int(255 * blue)) for red, green, blue in spread]
    return [*_CLASS_COLOURS[:count], *more]


def discrepancy(truth: NDArray[Any], prediction: NDArray[Any]) -> NDArray[np.uint8]:
    """Mark where labels (y, x) differ; class 0 is the background, everything else foreground.

    Returns:
        Array (y, x): 0 equal, 1 false positive, 2 false negative, 3 foreground of the wrong class, 4 truth unknown.
    """
    marks = np.where(truth == prediction, 0, CONFUSED)
    marks[(truth == 0) & (prediction != 0)] = FALSE_POSITIVE
    marks[(truth != 0) & (prediction == 0)] = FALSE_NEGATIVE
    marks[truth == IGNORE] = UNKNOWN
    return marks.astype(np.uint8)


def image_panels(
    stack: Path, rows: Sequence[Ranked], runs: Sequence[ReportRun], figures: FigureFolder, name: str
) -> list[ImagePanel]:
    """Choose the best, median and worst test image of the winner and draw every model's prediction of them.

    Each model is shown by its replicate of median mean IoU. Predictions that were not kept are left out.
    """
    folders = {id(run.scores): run for run in runs}
    shown = [(row, folders[id(choose_replicate_shown(row.runs))]) for row in rows]
    shown = [(row, run) for row, run in shown if run.prediction is not None]
    if not shown or not len(shown[0][1].scores.images.index):
        return []
    attributes: Json = dict(storage.open_store(stack).attrs)
    colours = class_colours(len(attributes["classes"]))
    panels = []
    for reason, image in choose_images(shown[0][1].scores):
        raw, truth = read_image(stack, image), read_truth(stack, image)
        guesses = [(row.model, run.scores.replicate, *_read_guess(run, image, truth.shape)) for row, run in shown]
        known = [(model, replicate, score, guess) for model, replicate, score, guess in guesses if guess is not None]
        panels.append(_panel(reason, str(attributes["names"][image]), raw, truth, known, colours))
        _save_strip(figures, f"{name}_{reason.split()[0]}", raw, truth, known, colours)
    return panels


def choose_images(run: Run) -> list[tuple[str, int]]:
    """Return the stack indices of the best, median and worst image of a run, without repeating one."""
    order = run.images.index[np.argsort(run.images.scores, kind="stable")]
    places = {"best": len(order) - 1, "median": (len(order) - 1) // 2, "worst": 0}
    chosen: dict[int, str] = {}
    for reason, place in places.items():
        chosen.setdefault(int(order[place]), f"{reason} image of the winner")
    return [(reason, image) for image, reason in chosen.items()]


def read_image(stack: Path, image: int) -> NDArray[np.uint8]:
    """Return one image for display: (y, x) grey, or (y, x, 3) where it has three channels; 1 to 99 % of its values."""
    array, sizes = storage.open_array(stack, "image"), storage.open_array(stack, "size")
    height, width = (int(length) for length in np.asarray(sizes[image]))
    channels = 3 if array.shape[1] == 3 else 1
    pixels = np.asarray(array[image, :channels, :height, :width]).astype(np.float32)
    pixels = pixels[0] if channels == 1 else np.moveaxis(pixels, 0, -1)
    return to_grey(pixels)


def to_grey(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """Scale values from their 1st to their 99th percentile to 0 to 255; values that are not finite become black."""
    finite = pixels[np.isfinite(pixels)]
    low, high = np.percentile(finite, [1, 99]) if finite.size else (0.0, 1.0)
    scaled = (np.nan_to_num(pixels, nan=low, posinf=high, neginf=low) - low) / max(high - low, 1e-12)
    return np.asarray(np.clip(scaled, 0, 1) * 255).astype(np.uint8)


def picture_uri(pixels: NDArray[np.uint8]) -> str:
    """Return grey (y, x) or colour (y, x, 3) pixels as a PNG data URI, shrunk to the longest side."""
    picture = Image.fromarray(pixels)
    picture.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.BOX)
    return _encode(picture)


def label_uri(labels: NDArray[Any], colours: Sequence[Colour], transparent: int | None = None) -> str:
    """Return labels (y, x) as a palette PNG data URI; labels beyond the colours are grey."""
    palette = np.full((256, 3), 150, dtype=np.uint8)
    palette[: len(colours)] = colours
    picture = Image.fromarray(labels.astype(np.uint8))
    picture = picture.resize(_fit(picture.size), Image.Resampling.NEAREST)
    picture.putpalette(palette.tobytes())
    return _encode(picture, transparency=transparent)


def colour_labels(labels: NDArray[Any], colours: Sequence[Colour]) -> NDArray[np.uint8]:
    """Return labels (y, x) as colours (y, x, 3); labels beyond the colours are grey."""
    palette = np.full((256, 3), 150, dtype=np.uint8)
    palette[: len(colours)] = colours
    return palette[labels.astype(np.uint8)]


def _panel(
    reason: str, name: str, raw: NDArray[Any], truth: NDArray[Any], known: list[Any], colours: list[Colour]
) -> ImagePanel:
    marks = [(0, 0, 0), *(colour for _, colour in DISCREPANCIES)]
    models = [
        ModelPicture(model, replicate, score, label_uri(guess, colours), label_uri(discrepancy(truth, guess), marks, 0))
        for model, replicate, score, guess in known
    ]
    return ImagePanel(reason, name, picture_uri(raw), label_uri(truth, colours), models)


@styled
def _save_strip(
    figures: FigureFolder, name: str, raw: NDArray[Any], truth: NDArray[Any], known: list[Any], colours: list[Colour]
) -> None:
    """Save raw, truth, the winner's discrepancy, and the predictions of up to five models side by side."""
    shade = np.repeat(raw[..., None], 3, axis=2) if raw.ndim == 2 else raw
    pictures = [("raw", shade), ("truth", colour_labels(truth, colours))]
    pictures += [(f"{model}, {score:.3f}", colour_labels(guess, colours)) for model, _, score, guess in known[:5]]
    marks = discrepancy(truth, known[0][3])
    marked = np.where(
        marks[..., None] > 0, colour_labels(marks, [(0, 0, 0), *(item[1] for item in DISCREPANCIES)]), shade
    )
    pictures.insert(3, ("discrepancy of the first", marked))
    step = max(1, max(raw.shape[:2]) // LONGEST_SIDE)
    figure, axes = new_figure(2.4 * len(pictures), 2.4 * raw.shape[0] / raw.shape[1] + 0.4, 1, len(pictures))
    for axis, (title, pixels) in zip(axes, pictures, strict=True):
        axis.imshow(pixels[::step, ::step], interpolation="nearest")
        axis.set_title(title.replace("$", r"\$"))
        axis.set_axis_off()
    figure.savefig(figures.folder / f"{name}.png", dpi=110, facecolor="white")


def choose_replicate_shown(runs: Sequence[Run]) -> Run:
    """Return the run of one model whose mean IoU is the median: neither its lucky nor its unlucky one."""
    order = sorted(runs, key=lambda run: -1.0 if run.metrics["mean_iou"] is None else run.metrics["mean_iou"])
    return order[(len(order) - 1) // 2]


def read_truth(stack: Path, image: int) -> NDArray[Any]:
    """Return the labels (y, x) of one image."""
    array, sizes = storage.open_array(stack, "label"), storage.open_array(stack, "size")
    height, width = (int(length) for length in np.asarray(sizes[image]))
    return np.asarray(array[image, :height, :width])


def _read_guess(run: ReportRun, image: int, shape: tuple[int, ...]) -> tuple[float, NDArray[Any] | None]:
    path = run.prediction
    found = np.flatnonzero(run.scores.images.index == image)
    if path is None or not len(found):
        return float("nan"), None
    place = np.flatnonzero(np.asarray(storage.open_array(path, "index")[:]) == image)
    if not len(place):
        return float("nan"), None
    labels = storage.open_array(path, "label")[int(place[0]), : shape[0], : shape[1]]
    return float(run.scores.images.scores[found[0]]), np.asarray(labels)


def _fit(size: tuple[int, int]) -> tuple[int, int]:
    shrink = min(1.0, LONGEST_SIDE / max(size))
    return max(1, round(size[0] * shrink)), max(1, round(size[1] * shrink))


def _encode(picture: Image.Image, transparency: int | None = None) -> str:
    buffer = io.BytesIO()
    options = {} if transparency is None else {"transparency": transparency}
    picture.save(buffer, "PNG", optimize=True, **options)
    return data_uri(buffer.getvalue())
