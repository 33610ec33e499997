"""Filtered backprojection by gridding: fast and quantitative; on a GPU with torch where there is one. The default."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from scan2seg.config.base import Settings


class Params(Settings):
    """Settings of the gridding reconstruction."""

    window: Literal["ramp", "shepp-logan", "cosine", "hann", "hamming", "parzen"] = "ramp"
    """What multiplies the ramp filter, from sharpest and noisiest to smoothest."""
    padding: Literal["edge", "zero"] = "edge"
    """What the projections continue with beyond the detector; edge suits specimens wider than the field of view."""


def reconstruct(
    sinograms: NDArray[np.float32],
    angles: NDArray[np.float64],
    centre: float,
    params: Params,
    threads: int = 1,
    device: str = "cpu",
) -> NDArray[np.float32]:
    """Reconstruct slices; see ``scan2seg.reconstruction`` for the contract and ``gridding_kernel`` for the method."""
    from scan2seg.device import choose_device

    if choose_device(device) == "cuda":
        from scan2seg.reconstruction import gridding_torch

        return gridding_torch.reconstruct(
            sinograms, angles, centre, params.window, params.padding == "edge", device="cuda"
        )
    from scan2seg.reconstruction import gridding_kernel

    plan = gridding_kernel.make_plan(sinograms.shape[2], angles, centre, params.window, params.padding == "edge")
    return gridding_kernel.reconstruct(sinograms, plan, threads)
