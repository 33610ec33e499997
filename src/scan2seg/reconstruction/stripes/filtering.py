"""Filtering-based removal: what of each column lasts over all angles is smoothed across columns. The default."""

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from scan2seg.config.base import Settings


class Params(Settings):
    """Settings of filtering-based stripe removal."""

    sigma: float = Field(3.0, gt=0)
    """Width in projection frequencies of what counts as lasting; larger removes stripes that come and go faster."""
    size: int | None = Field(None, ge=3)
    """Width in columns of the median that replaces the lasting part: more than twice the widest stripe, less than the
    specimen's details near the axis; null: a fiftieth of the columns, from 5 to 41."""


def remove(sinograms: NDArray[np.float32], params: Params, threads: int = 1) -> NDArray[np.float32]:
    """Remove stripes by the method of Vo, Atwood and Drakopoulos, Optics Express 26, 28396 (2018), algorithm 2.

    What lasts over the angles is described by a few cosine terms, so it is computed, and its median taken, at a few
    angles only, and the correction is interpolated to all of them. That makes it ten times faster than filtering,
    sorting and median over the whole sinogram.
    """
    from scan2seg.reconstruction.stripes.smoothing import (
        low_pass_matrices,
        over_rows,
        sorted_median_across,
        usual_size,
    )

    size = params.size or usual_size(sinograms.shape[2])
    analysis, synthesis, interpolation = low_pass_matrices(sinograms.shape[1], params.sigma)

    def work(sinogram: NDArray[np.float32]) -> None:
        smooth = synthesis @ (analysis @ sinogram)
        sinogram += interpolation @ (sorted_median_across(smooth, size) - smooth)

    return over_rows(work, sinograms, threads)
