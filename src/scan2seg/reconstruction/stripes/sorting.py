"""Sorting-based removal: the median over columns of values of equal rank; thorough, and slower than filtering."""

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from scan2seg.config.base import Settings


class Params(Settings):
    """Settings of sorting-based stripe removal."""

    size: int | None = Field(None, ge=3)
    """Width in columns of the median: more than twice the widest stripe; null: a fiftieth of the columns, 5 to 41."""


def remove(sinograms: NDArray[np.float32], params: Params, threads: int = 1) -> NDArray[np.float32]:
    """Remove stripes by the method of Vo, Atwood and Drakopoulos, Optics Express 26, 28396 (2018), algorithm 3."""
    from scan2seg.reconstruction.stripes.smoothing import over_rows, sorted_median_across, usual_size

    size = params.size or usual_size(sinograms.shape[2])

    def work(sinogram: NDArray[np.float32]) -> None:
        sinogram[:] = sorted_median_across(sinogram, size)

    return over_rows(work, sinograms, threads)
