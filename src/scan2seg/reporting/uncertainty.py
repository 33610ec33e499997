"""Maps of where models are unsure: replicates that disagree, models that disagree, probabilities that are even."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from numpy.typing import NDArray

from scan2seg import storage
from scan2seg.evaluation.measures.uncertainty import map_disagreement, map_uncertainty
from scan2seg.evaluation.ranking import Ranked
from scan2seg.probabilities import decode
from scan2seg.reporting.content import ReportRun
from scan2seg.reporting.panels import picture_uri
from scan2seg.reporting.pictures import Picture

MOST_MODELS = 20
"""More models than this add nothing to a map of their disagreement but reading."""


def uncertainty_pictures(
    stack: Path, rows: Sequence[Ranked], runs: Sequence[ReportRun], images: Sequence[str]
) -> dict[str, list[Picture]]:
    """Draw the maps of some test images, by name; an image of which no map can be drawn has no entry."""
    names = [str(name) for name in storage.open_store(stack).attrs["names"]]  # type: ignore[union-attr]
    sizes, classes = storage.open_array(stack, "size"), len(storage.open_store(stack).attrs["classes"])  # type: ignore[arg-type]
    wrapped = {id(run.scores): run for run in runs}
    models = [[wrapped[id(run)] for run in row.runs if wrapped[id(run)].prediction] for row in rows]
    found = {}
    for name in images:
        image = names.index(name)
        height, width = (int(length) for length in np.asarray(sizes[image]))
        crop = (slice(0, height), slice(0, width))
        pictures = _draw_image([kept for kept in models if kept], image, crop, classes)
        if pictures:
            found[name] = pictures
    return found


def _draw_image(models: list[list[ReportRun]], image: int, crop: tuple[slice, slice], classes: int) -> list[Picture]:
    if not models:
        return []
    winner = models[0]
    pictures = []
    for kept, words in (
        (winner, f"disagreement of the {{}} replicates of {winner[0].scores.model}"),
        ([model[0] for model in models[:MOST_MODELS]], "disagreement of {} models"),
    ):
        labels = [labels for run in kept if (labels := _read(run, "label", image, crop)) is not None]
        if len(labels) > 1:
            largest = 1 - 1 / min(len(labels), max(classes, 2))
            pictures.append(Picture(words.format(len(labels)), _colour(map_disagreement(labels) / largest)))
    for run in winner:
        probabilities = _read(run, "probability", image, (slice(None), *crop))
        if probabilities is not None:
            words = f"uncertainty of {run.scores.name}, entropy of its probabilities"
            return [*pictures, Picture(words, _colour(map_uncertainty(decode(probabilities))))]
    return pictures


def _read(run: ReportRun, name: str, image: int, crop: tuple[slice, ...]) -> NDArray[Any] | None:
    """Read one image of a prediction; None where the store lacks the image or the array."""
    path = run.prediction
    if path is None or name not in storage.open_store(path):
        return None
    place = np.flatnonzero(np.asarray(storage.open_array(path, "index")[:]) == image)
    if not len(place):
        return None
    one: NDArray[Any] = np.asarray(storage.open_array(path, name)[int(place[0])])
    return one[crop]


def _colour(values: NDArray[np.float32]) -> str:
    """Return values from 0 (dark) to 1 (bright) as a picture."""
    colours = colormaps["magma"](np.clip(values, 0, 1), bytes=True)
    return picture_uri(np.ascontiguousarray(colours[..., :3]))
