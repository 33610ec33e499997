"""What can be walked through in the page: the test images of a dataset, the slices of a scan and of a segmentation."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from scan2seg import storage
from scan2seg.evaluation.ranking import Ranked
from scan2seg.ignore import IGNORE
from scan2seg.places import evenly
from scan2seg.reporting.content import ReportRun
from scan2seg.reporting.panels import Colour, choose_replicate_shown, class_colours, read_image, read_truth
from scan2seg.reporting.viewer import Frame, Option, Viewer, build_viewer, ground_uri, layer_uri

WINDOW_SLICES = 5
"""All slices of a volume have one grey scale, from the 1st to the 99th percentile of this many of them."""


def walk_test_images(
    stack: Path, rows: Sequence[Ranked], runs: Sequence[ReportRun], anchor: str, budget: int
) -> Viewer | None:
    """Return the test images with the truth and every model's labels, two side by side; None without predictions.

    Each model is shown by its replicate of median mean IoU.
    """
    folders = {id(run.scores): run for run in runs}
    shown = [(row.model, folders[id(choose_replicate_shown(row.runs))]) for row in rows]
    predictions = [(model, _Prediction(run)) for model, run in shown if run.prediction is not None]
    if not predictions:
        return None
    attributes: dict[str, Any] = dict(storage.open_store(stack).attrs)
    colours = class_colours(len(attributes["classes"]))
    images = rows[0].runs[0].images

    def draw(place: int) -> Frame:
        image = int(images.index[place])
        truth = read_truth(stack, image)
        layers, notes = [layer_uri(truth, colours)], [""]
        for _, prediction in predictions:
            uri, note = prediction.draw(image, truth.shape, colours)
            layers.append(uri)
            notes.append(note)
        return Frame(str(attributes["names"][image]), [ground_uri(read_image(stack, image))], layers, notes)

    options = [Option("raw", 0, None), Option("truth", 0, 0)]
    options += [Option(model, 0, place) for place, (model, _) in enumerate(predictions, start=1)]
    panes = [2, 3] if len(predictions) > 1 else [1, 2]
    return build_viewer(anchor, "image", len(images.index), draw, options, panes, budget)


def walk_volume(
    grounds: Sequence[tuple[str, Path]], labels: Path | None, label_name: str, anchor: str, budget: int
) -> Viewer | None:
    """Return the slices of a volume in its versions, with labels over the last of them; None with a single slice.

    Versions of another shape than the labels, or than the last version, are left out.

    Args:
        grounds: name and store of each version, such as before and after denoising; empty to show labels alone.
        labels: the store of labels of the same slices.
        label_name: what the labels are called.
        anchor: the id of the viewer.
        budget: bytes.
    """
    volumes = [(name, open_voxels(path)) for name, path in grounds]
    marks = open_voxels(labels) if labels is not None else None
    shape = marks.shape if marks is not None else volumes[-1][1].shape
    volumes = [(name, volume) for name, volume in volumes if volume.shape == shape]
    depth = int(shape[0])
    if depth < 2:
        return None
    windows = [_choose_window(volume) for _, volume in volumes]
    colours = class_colours(_count_classes(labels, marks)) if labels is not None and marks is not None else []

    def draw(z: int) -> Frame:
        greys = [
            ground_uri(_to_grey(np.asarray(volume[z]), window))
            for (_, volume), window in zip(volumes, windows, strict=True)
        ]
        layers = [layer_uri(np.asarray(marks[z]), colours)] if marks is not None else []
        greys = greys or [ground_uri(np.zeros(marks.shape[1:], np.uint8))] if marks is not None else greys
        return Frame(f"slice {z + 1} of {depth}", greys, layers, [""] * len(layers))

    options = [Option(name, place, None) for place, (name, _) in enumerate(volumes)]
    options += [Option(label_name, max(len(volumes) - 1, 0), 0)] if marks is not None else []
    panes = list(range(len(options)))[-2:]
    return build_viewer(anchor, "slice", depth, draw, options, panes, budget)


class _Prediction:
    """The predicted labels of a run, opened once."""

    def __init__(self, run: ReportRun) -> None:
        assert run.prediction is not None
        index = np.asarray(storage.open_array(run.prediction, "index")[:]).tolist()
        self.labels = storage.open_array(run.prediction, "label")
        self.places = {int(image): place for place, image in enumerate(index)}
        images = run.scores.images
        self.scores = dict(zip(images.index.tolist(), images.scores.tolist(), strict=True))

    def draw(self, image: int, shape: tuple[int, ...], colours: Sequence[Colour]) -> tuple[str, str]:
        """Return the labels as a data URI and the score in words; nothing where the image was not predicted."""
        if image not in self.places:
            return "", "not predicted"
        labels = np.asarray(self.labels[self.places[image], : shape[0], : shape[1]])
        score = self.scores.get(image)
        return layer_uri(labels, colours), "" if score is None else f"mean IoU {score:.3f}"


def open_voxels(path: Path) -> zarr.Array[Any]:
    """Open the array (z, y, x) of a store of grey values or of labels."""
    return storage.open_array(path, "label" if "label" in storage.open_store(path) else "volume")


def _count_classes(path: Path, labels: zarr.Array[Any]) -> int:
    names: Any = storage.open_store(path).attrs.get("classes") or []
    middle = np.asarray(labels[labels.shape[0] // 2])
    return max(len(names), int(middle[middle < IGNORE].max(initial=0)) + 1)


def _choose_window(volume: zarr.Array[Any]) -> tuple[float, float]:
    slices = evenly(volume.shape[0], WINDOW_SLICES)
    values = np.concatenate([np.asarray(volume[z])[::4, ::4].ravel() for z in slices]).astype(np.float32)
    values = values[np.isfinite(values)]
    low, high = np.percentile(values, [1, 99]).tolist() if values.size else (0.0, 1.0)
    return float(low), float(high)


def _to_grey(pixels: NDArray[Any], window: tuple[float, float]) -> NDArray[np.uint8]:
    low, high = window
    scaled = (np.nan_to_num(pixels.astype(np.float32), nan=low, posinf=high, neginf=low) - low) / max(high - low, 1e-12)
    return np.asarray(np.clip(scaled, 0, 1) * 255).astype(np.uint8)
