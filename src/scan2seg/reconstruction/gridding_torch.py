"""Reconstruction by gridding with torch, on a GPU."""

import numpy as np
from numpy.typing import NDArray


def reconstruct(
    sinograms: NDArray[np.float32],
    angles: NDArray[np.float64],
    centre: float,
    window: str = "ramp",
    edge_padding: bool = True,
    device: str = "cuda",
) -> NDArray[np.float32]:
    """Reconstruct on the device."""
    from scan2seg.reconstruction import gridding_kernel

    return gridding_kernel.reconstruct(
        sinograms, gridding_kernel.make_plan(sinograms.shape[2], angles, centre, window, edge_padding)
    )
