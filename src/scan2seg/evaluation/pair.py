"""A stack and a prediction of some of its images, read side by side."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from scan2seg import storage
from scan2seg.errors import InputError
from scan2seg.evaluation.confusion import confusion_matrix
from scan2seg.probabilities import decode
from scan2seg.slices import list_volumes, read_pixel_sizes

MOST_VALUES = 2**26
"""Probabilities read at a time: 64 MB, and as numbers 256 MB."""


class Pair:
    """A stack and a prediction that fit each other; iterates over index, truth (y, x) and prediction (y, x)."""

    def __init__(self, stack: Path, prediction: Path) -> None:
        """Open both.

        Raises:
            InputError: they do not fit each other, or the stack has no labels.
        """
        group = storage.open_store(stack)
        if "label" not in group:
            raise InputError(f"{stack}: the dataset has no labels, so nothing can be scored")
        self.truth = storage.open_array(stack, "label")
        self.guess = storage.open_array(prediction, "label")
        kept = "probability" in storage.open_store(prediction)
        self.probability = storage.open_array(prediction, "probability") if kept else None
        self.sizes = np.asarray(storage.open_array(stack, "size")[:])
        self.index = np.asarray(storage.open_array(prediction, "index")[:]).astype(np.int64)
        self._places = {image: place for place, image in enumerate(self.index.tolist())}
        self.classes = [str(name) for name in _attribute(group, stack, "classes")]
        self.names = [str(name) for name in _attribute(group, stack, "names")]
        self.groups = [str(name) for name in _attribute(group, stack, "groups")]
        self.pixel_sizes = read_pixel_sizes(group)
        self.spacings: dict[str, list[float]] = group.attrs.asdict().get("spacings") or {}  # type: ignore[assignment]
        self.volumes = list_volumes(group)
        self.stack, self.prediction = stack, prediction
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
        """Return how many images were predicted."""
        return len(self.index)

    def __iter__(self) -> Iterator[tuple[int, NDArray[Any], NDArray[Any]]]:
        """Yield each image's place in the stack, its truth and its prediction."""
        for image in self.index.tolist():
            yield image, *self.read(image)

    def read(self, image: int) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return truth and prediction (y, x) of one image in its true size."""
        height, width = (int(length) for length in self.sizes[image])
        guess = self.guess[self._places[image], :height, :width]
        return np.asarray(self.truth[image, :height, :width]), np.asarray(guess)

    def read_probabilities(self, image: int) -> Iterator[tuple[slice, NDArray[Any]]]:
        """Yield the rows and the probabilities (classes, rows, x) of bands of one image; none where they are not kept.

        A band bounds the memory: the probabilities of a large image are many times its labels.
        """
        if self.probability is None:
            return
        height, width = (int(length) for length in self.sizes[image])
        step = max(1, MOST_VALUES // (width * int(self.probability.shape[1])))
        for top in range(0, height, step):
            rows = slice(top, min(top + step, height))
            yield rows, decode(np.asarray(self.probability[self._places[image], :, rows, :width]))

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
