"""Maps that are made of labels alone, kept from one training step to the next: distances and border weights.

Such a map turns with its labels, so that one is kept for a patch, its flips and quarter turns. Other augmentations
make labels that do not come again; of those nothing is found, and the maps are made anew as without this module.
"""

import hashlib
from collections.abc import Callable
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scan2seg.memory import available_memory

MEMORY_SHARE = 0.1
"""Of the memory that is free at the first map, that those of one kind may take."""
Turn = tuple[bool, bool, bool]
"""Whether the last two axes are swapped, and then whether the first and the second of them are mirrored."""
TURNS: list[Turn] = [(swap, down, across) for swap, down, across in product((False, True), repeat=3)]


class LabelMaps:
    """Makes the map of each sample's labels, or finds it."""

    def __init__(self, make: Callable[[NDArray[np.integer]], NDArray[np.float32]]) -> None:
        """Remember how a map is made.

        Args:
            make: labels (*spatial) of one sample to its map (*any, *spatial). It must not prefer any direction:
                the map of turned labels is the turned map, bit for bit.
        """
        self.make = make
        self.limit: float | None = None
        self.size = 0
        self._found: dict[bytes, NDArray[np.float32]] = {}

    def of(self, labels: Tensor) -> Tensor:
        """Return the maps (N, *any, *spatial) of labels (N, *spatial), on their device."""
        samples = labels.detach().to(torch.uint8).cpu().numpy()
        return torch.from_numpy(np.stack([self._of_one(sample) for sample in samples])).to(labels.device)

    def _of_one(self, labels: NDArray[np.uint8]) -> NDArray[np.float32]:
        # the same one of all turns, whichever of them this is
        key, turn = min((_digest(_turn(labels, turn)), turn) for turn in TURNS)
        found = self._found.get(key)
        if found is None:
            found = np.ascontiguousarray(self.make(np.ascontiguousarray(_turn(labels, turn))))
            self._keep(key, found)
        return _turn_back(found, turn)

    def _keep(self, key: bytes, found: NDArray[np.float32]) -> None:
        if self.limit is None:
            self.limit = MEMORY_SHARE * available_memory()
        if self.size + found.nbytes <= self.limit:
            self.size += found.nbytes
            self._found[key] = found


def _digest(labels: NDArray[np.uint8]) -> bytes:
    return hashlib.blake2b(repr(labels.shape).encode() + labels.tobytes(), digest_size=16).digest()


def _turn(values: NDArray[np.uint8], turn: Turn) -> NDArray[np.uint8]:
    swap, down, across = turn
    values = values.swapaxes(-1, -2) if swap else values
    return values[..., :: -1 if down else 1, :: -1 if across else 1]


def _turn_back(values: NDArray[np.float32], turn: Turn) -> NDArray[np.float32]:
    swap, down, across = turn
    values = values[..., :: -1 if down else 1, :: -1 if across else 1]
    return values.swapaxes(-1, -2) if swap else values
