"""No stripe removal."""

import numpy as np
from numpy.typing import NDArray

from scan2seg.config.base import Settings


class Params(Settings):
    """No settings."""


def remove(sinograms: NDArray[np.float32], params: Params, threads: int = 1) -> NDArray[np.float32]:
    """Return the sinograms as they are."""
    return sinograms
