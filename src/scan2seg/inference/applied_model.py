"""A model that is applied to files: how, where its labels go, and how unlike its training images a file is."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scan2seg.appearance import warn_of_unlike
from scan2seg.config.image_reading import Reading
from scan2seg.documents import Json
from scan2seg.inference.likeness import compare_with_training
from scan2seg.inference.segmentation_inputs import Input
from scan2seg.inference.tiling import Predictor


@dataclass(frozen=True)
class FileOptions:
    """How files are read and where the model computes."""

    device: str = "auto"
    """auto, cpu or cuda."""
    key: str | None = None
    """Of the array in HDF5 and Zarr files; needed only where there are several."""
    pixel_size: float | None = None
    """Edge of a pixel of the images in micrometres, in place of what their files say."""
    threads: int = 1
    """Processor cores."""


@dataclass(frozen=True)
class AppliedModel:
    """A model, how it is applied, and where its labels go."""

    predictor: Predictor
    reading: Reading
    output: Path
    settings: Json
    """How it is applied and files are read."""
    checkpoints: list[Json]
    """Its files, with a hash of each."""
    advance: Callable[[int], None]
    """Told of the pixels that are done."""
    options: FileOptions


def compare(found: Input, images: list[NDArray[np.float32]], edge: float | None, applied: AppliedModel) -> list[str]:
    """Return and warn of what makes an input unlike the training images; the edge is that of a pixel as it is read."""
    unlike = compare_with_training(images, edge, applied.predictor)
    warn_of_unlike(str(found.paths[0]), unlike)
    return unlike


def list_facts(found: Input, shape: list[int], edge: float | None, unlike: list[str]) -> Json:
    """Return what is told of any input, whatever was found in it."""
    unit = "micrometre" if edge else "pixel"
    # absolute, for labels are looked at from other folders too
    source = str(found.paths[0].absolute())
    return {"input": source, "shape": shape, "pixel_size": edge, "unit": unit, "unlike_training": unlike}
