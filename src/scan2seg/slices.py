"""Reading the images of a stack in their true size."""

import numpy as np
import zarr
from numpy.typing import NDArray


def read_slices(store: zarr.Group, index: int, neighbours: int = 0) -> NDArray[np.float32]:
    """Read an image with slices above and below as further channels, from the bottom up; edges are repeated."""
    groups: list[str] = list(store.attrs["groups"])  # type: ignore[arg-type]
    height, width = (int(value) for value in np.asarray(store["size"][index]))  # type: ignore[index]
    chosen = []
    for offset in range(-neighbours, neighbours + 1):
        step = offset
        while step and not (0 <= index + step < len(groups) and groups[index + step] == groups[index]):
            step -= 1 if step > 0 else -1
        chosen.append(np.asarray(store["image"][index + step])[:, :height, :width])  # type: ignore[index]
    return np.concatenate(chosen)
