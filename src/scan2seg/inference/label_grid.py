"""Labels back on the grid of the file that they are of, by the nearest pixel."""

import numpy as np
from numpy.typing import NDArray

from scan2seg.sources.resampling import nearest_places
from scan2seg.spacing import Spacing


def restore_image(labels: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Return labels (y, x) of an image that was resized, edges on edges, at its own size."""
    rows, columns = (
        nearest_places(found, length, found / length) for found, length in zip(labels.shape, size, strict=True)
    )
    return labels[rows][:, columns]


def restore_plane(
    labels: NDArray[np.uint8], index: int, shape: tuple[int, int, int], ratios: Spacing
) -> NDArray[np.uint8]:
    """Return one plane (y, x) of labels (z, y, x) as those of a volume of another shape, which was resampled.

    Args:
        labels: of the resampled volume.
        index: of the plane in the volume.
        shape: of the volume.
        ratios: distance between its voxels over that of the resampled volume, along (z, y, x).
    """
    planes, rows, columns = (
        nearest_places(found, length, ratio) for found, length, ratio in zip(labels.shape, shape, ratios, strict=True)
    )
    plane: NDArray[np.uint8] = labels[planes[index]][rows][:, columns]
    return plane
