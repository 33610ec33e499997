"""All of TomoPy's algorithms, padded and with the origin of the other backends; optional, from conda-forge."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from scan2seg.config.base import Settings


class Params(Settings):
    """Settings of TomoPy."""

    algorithm: Literal[
        "gridrec", "fbp", "art", "bart", "mlem", "osem", "ospml_hybrid", "ospml_quad", "pml_hybrid", "pml_quad",
        "sirt", "tv", "grad", "tikh",
    ] = "gridrec"  # fmt: skip
    """TomoPy's algorithm. gridrec is fast and not quantitative: a disc of 1 comes back as up to 1.12."""
    filter_name: Literal["none", "shepp", "cosine", "hann", "hamming", "ramlak", "parzen", "butterworth"] = "ramlak"
    """The filter of gridrec and fbp."""
    iterations: int = Field(50, ge=1)
    """Of the iterative algorithms."""


def reconstruct(
    sinograms: NDArray[np.float32],
    angles: NDArray[np.float64],
    centre: float,
    params: Params,
    threads: int = 1,
    device: str = "cpu",
) -> NDArray[np.float32]:
    """Reconstruct slices; see ``scan2seg.reconstruction`` for the contract.

    Raises:
        InputError: TomoPy is not installed.
    """
    from scan2seg.reconstruction.devices import optional_library
    from scan2seg.reconstruction.shifting import moved_origin

    library = optional_library("tomopy", "conda install -c conda-forge tomopy")
    columns = sinograms.shape[2]
    analytic = params.algorithm in ("gridrec", "fbp")
    pad = columns // 2 if analytic else 0
    padded = np.pad(sinograms, ((0, 0), (0, 0), (pad, pad)), mode="edge")
    options = {"filter_name": params.filter_name} if analytic else {"num_iter": params.iterations}
    if params.algorithm == "gridrec":
        # Its image lies half a pixel up and to the right.
        padded = moved_origin(padded, angles, row=0.5, column=-0.5)
    # TomoPy's rows count upwards: the angles turn the other way.
    slices = library.recon(
        padded,
        -angles,
        center=centre + pad,
        sinogram_order=True,
        algorithm=params.algorithm,
        ncore=max(threads, 1),
        **options,
    )
    return np.ascontiguousarray(slices[:, pad : pad + columns, pad : pad + columns], dtype=np.float32)
