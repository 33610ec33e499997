"""Labels back on the grid of the file that they are of, by the nearest pixel."""

import numpy as np
from numpy.typing import NDArray


def restore_image(labels: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Return labels (y, x) of another size."""
    rows, columns = (nearest(length, found) for length, found in zip(size, labels.shape, strict=True))
    return labels[rows][:, columns]


def restore_plane(labels: NDArray[np.uint8], index: int, shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Return one plane (y, x) of labels (z, y, x) as those of a volume of another shape."""
    place = int(nearest(shape[0], labels.shape[0])[index])
    return restore_image(labels[place], (shape[1], shape[2]))


def nearest(length: int, found: int) -> NDArray[np.intp]:
    """Return, for every place of a grid, the nearest of another grid over the same stretch; edges lie on edges."""
    return ((np.arange(length) + 0.5) * (found / length)).astype(np.intp)
