"""Gaussian blur with a known reach, on several threads."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

_TRUNCATE = 4.0


def blur_depth(radius: float, dimensions: int) -> tuple[int, int, int]:
    """Return the reach (z, y, x) in voxels of a blur with this standard deviation."""
    reach = int(_TRUNCATE * radius + 0.5)
    return (reach if dimensions == 3 else 0, reach, reach)


def blur(volume: NDArray[np.float32], radius: float, dimensions: int, threads: int) -> NDArray[np.float32]:
    """Blur a volume (z, y, x) in slices or in all directions, mirrored beyond its edges."""
    from scipy.ndimage import gaussian_filter, gaussian_filter1d

    blurred = np.empty_like(volume)

    def blur_slice(z: int) -> None:
        gaussian_filter(volume[z], radius, output=blurred[z], mode="mirror", truncate=_TRUNCATE)

    def blur_across(y: int) -> None:
        blurred[:, y] = gaussian_filter1d(blurred[:, y], radius, axis=0, mode="mirror", truncate=_TRUNCATE)

    with ThreadPoolExecutor(max(threads, 1)) as pool:
        list(pool.map(blur_slice, range(len(volume))))
        if dimensions == 3:
            list(pool.map(blur_across, range(volume.shape[1])))
    return blurred
