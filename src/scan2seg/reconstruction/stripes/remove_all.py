"""Removal of all kinds of stripes: dead and saturated columns, wide stripes, then the small ones."""

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from scan2seg.config.base import Settings


class Params(Settings):
    """Settings of the combined stripe removal."""

    ratio: float = Field(3.0, gt=1)
    """How far above the usual differences between columns a stripe stands out; smaller finds more."""
    large: int | None = Field(None, ge=3)
    """Width in columns of the median for wide stripes; null: three times the small one."""
    small: int | None = Field(None, ge=3)
    """Width in columns of the median for small stripes; null: a fiftieth of the columns, 5 to 41."""


def remove(sinograms: NDArray[np.float32], params: Params, threads: int = 1) -> NDArray[np.float32]:
    """Remove stripes by algorithms 6, 5 and 3 of Vo, Atwood and Drakopoulos, Optics Express 26, 28396 (2018)."""
    from scan2seg.reconstruction.stripes import smoothing

    small = params.small or smoothing.usual_size(sinograms.shape[2])
    large = params.large or 3 * small | 1

    def work(sinogram: NDArray[np.float32]) -> None:
        smoothing.replace_unresponsive(sinogram, params.ratio, large)
        smoothing.reduce_large(sinogram, params.ratio, large)
        sinogram[:] = smoothing.sorted_median_across(sinogram, small)

    return smoothing.over_rows(work, sinograms, threads)
