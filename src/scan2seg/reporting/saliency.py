"""Saliency maps of test images: how much each pixel of the input moves the prediction of a model."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from numpy.typing import NDArray

from scan2seg import storage
from scan2seg.reporting.content import ReportRun
from scan2seg.reporting.panels import picture_uri, read_image
from scan2seg.reporting.pictures import Picture

MOST_MODELS = 7


def saliency_pictures(stack: Path, runs: Sequence[ReportRun]) -> list[list[Picture]]:
    """Return a row of pictures a test image: the mapped part of it, then each model's map, brightest where it looks.

    Runs without ``saliency.zarr``, and models without a gradient (their maps are zero), are left out. Each map is
    scaled by its own 99th percentile.
    """
    rows: dict[int, list[Picture]] = {}
    shown: set[str] = set()
    for run in runs:
        path = run.file("saliency.zarr")
        if run.scores.model in shown or len(shown) == MOST_MODELS or not path.exists():
            continue
        maps, origins = storage.open_array(path, "map"), np.asarray(storage.open_array(path, "origin")[:])
        for place, image in enumerate(np.asarray(storage.open_array(path, "index")[:]).tolist()):
            values = np.asarray(maps[place])
            if not values.any():
                continue
            shown.add(run.scores.model)
            pixels = _crop(read_image(stack, image), origins[place], values.shape)
            row = rows.setdefault(image, [Picture("raw", picture_uri(pixels))])
            row.append(Picture(run.scores.model, picture_uri(_glow(values[: pixels.shape[0], : pixels.shape[1]]))))
    return list(rows.values())


def _crop(pixels: NDArray[np.uint8], origin: NDArray[Any], shape: tuple[int, ...]) -> NDArray[np.uint8]:
    top, left = (int(edge) for edge in origin)
    return np.ascontiguousarray(pixels[top : top + shape[0], left : left + shape[1]])


def _glow(values: NDArray[Any]) -> NDArray[np.uint8]:
    scaled = np.clip(values / max(float(np.percentile(values, 99)), 1e-12), 0, 1)
    return np.asarray(colormaps["magma"](scaled)[..., :3] * 255).astype(np.uint8)
