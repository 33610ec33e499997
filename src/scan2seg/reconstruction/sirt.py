"""Iterative reconstruction (SIRT with momentum and bounds): for few or noisy projections; needs no other library."""

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from scan2seg.config.base import Settings


class Params(Settings):
    """Settings of the iterative reconstruction."""

    iterations: int = Field(60, ge=1)
    """How often the slice is improved; more is sharper and noisier."""
    minimum: float | None = 0.0
    """Attenuation is at least this; null: no bound."""
    maximum: float | None = None
    """Attenuation is at most this; null: no bound."""


def reconstruct(
    sinograms: NDArray[np.float32],
    angles: NDArray[np.float64],
    centre: float,
    params: Params,
    threads: int = 1,
    device: str = "cpu",
) -> NDArray[np.float32]:
    """Reconstruct slices; see ``scan2seg.reconstruction`` for the contract.

    Simultaneous iterative reconstruction (Gregor and Benson, IEEE Trans. Med. Imaging 27, 918, 2008) projected onto
    the bounds, with Nesterov's momentum: about the square root of the iterations that it needs without.
    """
    from concurrent.futures import ThreadPoolExecutor

    from scan2seg.reconstruction import projector

    rows, _, columns = sinograms.shape
    directions = projector.directions(angles, centre, columns)
    ones = np.ones((columns, columns), np.float32)
    row_sums = projector.forward(ones, directions, columns)
    column_sums = projector.backward(np.ones_like(row_sums), directions, columns)
    row_weights = np.where(row_sums > 1e-3, 1 / np.maximum(row_sums, 1e-3), 0).astype(np.float32)
    column_weights = np.where(column_sums > 1e-3, 1 / np.maximum(column_sums, 1e-3), 0).astype(np.float32)
    low = -np.inf if params.minimum is None else params.minimum
    high = np.inf if params.maximum is None else params.maximum
    slices = np.zeros((rows, columns, columns), np.float32)

    def work(row: int) -> None:
        image = slices[row]
        ahead, speed = image.copy(), 1.0
        for _ in range(params.iterations):
            residual = (sinograms[row] - projector.forward(ahead, directions, columns)) * row_weights
            ahead += projector.backward(residual, directions, columns) * column_weights
            improved = np.clip(ahead, low, high)
            faster = (1 + np.sqrt(1 + 4 * speed**2)) / 2
            ahead = improved + np.float32((speed - 1) / faster) * (improved - image)
            image[:], speed = improved, faster

    with ThreadPoolExecutor(max(threads, 1)) as pool:
        list(pool.map(work, range(rows)))
    return slices
