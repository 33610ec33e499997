"""Probabilities as they are kept on disk: one byte each, in steps of 1/255.

As float16 they would take twice the room, and many times that once packed: most are nearly 0 or 1, with digits that
are noise.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

DTYPE = "uint8"
STEPS = int(np.iinfo(DTYPE).max)


def encode(probabilities: "Tensor") -> "Tensor":
    """Return probabilities from 0 to 1 as uint8, rounded to the nearest step."""
    import torch

    return (probabilities * STEPS).round_().to(torch.uint8)


def decode(kept: NDArray[Any]) -> NDArray[np.float32]:
    """Return probabilities from 0 to 1 as float32; stores of before hold such already."""
    step = 1 if np.issubdtype(kept.dtype, np.floating) else STEPS
    return kept.astype(np.float32) / np.float32(step)
