"""The noise level of an image, for denoisers whose strength is a multiple of it."""

import numpy as np
from numpy.typing import NDArray

_BLOCK = 8


def estimate_noise(volume: NDArray[np.float32]) -> float:
    """Estimate the standard deviation of the noise in the slices of a volume (z, y, x), in its own unit.

    The median over 8 x 8 blocks of the deviation from a plane fitted to each block: noise that is correlated between
    neighbouring pixels, as a filtered reconstruction's is, counts in full, and edges do not as long as most blocks
    have none. Blocks of one value, such as a masked surround, do not count. Zero for an image without noise.
    """
    depth, height, width = volume.shape
    side = min(_BLOCK, height, width)
    if side < 3:
        return float(np.std(volume))
    rows, columns = height // side, width // side
    blocks = volume[:, : rows * side, : columns * side].astype(np.float64)
    blocks = blocks.reshape(depth, rows, side, columns, side).swapaxes(2, 3).reshape(-1, side, side)
    blocks = blocks[np.ptp(blocks, axis=(1, 2)) > 0]
    if not len(blocks):
        return 0.0
    ramp = np.arange(side) - (side - 1) / 2
    ramp /= np.sqrt(side * (ramp**2).sum())
    # With orthonormal terms the fit's sum of squares is that of its coefficients, and so is what it leaves.
    blocks -= blocks.mean(axis=(1, 2), keepdims=True)
    fitted = np.einsum("nyx,y->n", blocks, ramp) ** 2 + np.einsum("nyx,x->n", blocks, ramp) ** 2
    variance = (np.einsum("nyx,nyx->n", blocks, blocks) - fitted) / (side * side - 3)
    return float(np.sqrt(max(np.median(variance), 0.0)))
