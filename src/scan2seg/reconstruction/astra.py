"""The ASTRA toolbox on a GPU: FBP_CUDA, SIRT_CUDA, CGLS_CUDA; optional (GPL), from conda-forge or pip."""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from scan2seg.config.base import Settings

NEEDS_GPU = True


class Params(Settings):
    """Settings of ASTRA."""

    algorithm: Literal["FBP_CUDA", "SIRT_CUDA", "CGLS_CUDA"] = "FBP_CUDA"
    """ASTRA's algorithm."""
    filter_name: Literal["ram-lak", "shepp-logan", "cosine", "hamming", "hann", "parzen"] = "ram-lak"
    """The filter of FBP_CUDA."""
    iterations: int = Field(100, ge=1)
    """Of the iterative algorithms."""
    minimum: float | None = None
    """Attenuation is at least this, in SIRT_CUDA; null: no bound."""


def reconstruct(
    sinograms: NDArray[np.float32],
    angles: NDArray[np.float64],
    centre: float,
    params: Params,
    threads: int = 1,
    device: str = "auto",
) -> NDArray[np.float32]:
    """Reconstruct slices; see ``scan2seg.reconstruction`` for the contract.

    Raises:
        InputError: ASTRA is not installed, or there is no GPU.
    """
    from scan2seg.errors import InputError
    from scan2seg.reconstruction.filters import detector_direction
    from scan2seg.reconstruction.libraries import optional_library

    library = optional_library("astra", "conda install -c astra-toolbox -c nvidia astra-toolbox")
    if not library.use_cuda():
        raise InputError("backend astra: ASTRA finds no GPU here. Use backend: gridding or sirt, or a GPU node")
    columns = sinograms.shape[2]
    middle = (columns - 1) / 2
    # A detector vector: ray direction, detector centre, pixel step. ASTRA's y points up, ours down.
    across, down = detector_direction(angles)
    offset = middle - centre
    vectors = np.stack([down, across, offset * across, -offset * down, across, -down], axis=1)
    geometry = library.create_proj_geom("parallel_vec", columns, vectors)
    volume = library.create_vol_geom(columns, columns)
    return np.stack([_one(library, sinogram, geometry, volume, params) for sinogram in sinograms])


def _one(library: Any, sinogram: Any, geometry: Any, volume: Any, params: Params) -> NDArray[np.float32]:
    """Reconstruct one slice and free what ASTRA holds for it."""
    data = library.data2d.create("-sino", geometry, sinogram)
    image = library.data2d.create("-vol", volume)
    settings = library.astra_dict(params.algorithm)
    settings |= {"ProjectionDataId": data, "ReconstructionDataId": image}
    if params.algorithm == "FBP_CUDA":
        settings["option"] = {"FilterType": params.filter_name}
    elif params.algorithm == "SIRT_CUDA" and params.minimum is not None:
        settings["option"] = {"MinConstraint": params.minimum}
    algorithm = library.algorithm.create(settings)
    try:
        library.algorithm.run(algorithm, 1 if params.algorithm == "FBP_CUDA" else params.iterations)
        return np.asarray(library.data2d.get(image), dtype=np.float32)
    finally:
        library.algorithm.delete(algorithm)
        library.data2d.delete([data, image])
