"""All of TomoPy's algorithms, padded and with the origin of the other backends; optional, from conda-forge."""

from typing import Any, Literal

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
    regularisation: list[float] | None = None
    """TomoPy's ``reg_par`` of the pml, ospml, tv, grad and tikh algorithms; null: TomoPy's own default."""


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
    from scan2seg.reconstruction.libraries import optional_library
    from scan2seg.reconstruction.shifting import moved_origin

    library = optional_library("tomopy", "conda install -c conda-forge tomopy")
    size = sinograms.shape[2]
    if params.algorithm == "fbp":
        sinograms = _filtered(sinograms, angles, params.filter_name)
    # gridrec needs room for its kernel, and half as much on either side, or its values drop towards the middle.
    left = size // 2 if params.algorithm == "gridrec" else 0
    right = left + size % 2 if params.algorithm == "gridrec" else 0
    padded = np.pad(sinograms, ((0, 0), (0, 0), (left, right)), mode="edge")
    options: dict[str, Any] = {}
    if params.algorithm == "gridrec":
        # Its axis lies half a pixel up and right of the middle (measured).
        middle = left + (size - 1) / 2 - (padded.shape[2] - 1) / 2
        padded = moved_origin(padded, angles, row=middle + 0.5, column=middle - 0.5)
        options["filter_name"] = params.filter_name
    elif params.algorithm != "fbp":
        options["num_iter"] = params.iterations
        # A negative step means that grad and tikh choose it; TomoPy's default of 1 diverges.
        given = params.regularisation or ([-1.0, 0.0] if params.algorithm in ("grad", "tikh") else None)
        if given:
            options["reg_par"] = np.array(given, np.float32)
    # gridrec counts columns from the first one's middle, the others from its edge.
    axis = centre + left + (0 if params.algorithm == "gridrec" else 0.5)
    slices = library.recon(
        padded,
        angles,
        center=axis,
        sinogram_order=True,
        algorithm=params.algorithm,
        ncore=max(threads, 1),
        **options,
    )
    return np.ascontiguousarray(slices[:, left : left + size, left : left + size], dtype=np.float32)


def _filtered(sinograms: NDArray[np.float32], angles: NDArray[np.float64], name: str) -> NDArray[np.float32]:
    """Apply the ramp filter: TomoPy's fbp only backprojects."""
    import scipy.fft

    from scan2seg.errors import InputError
    from scan2seg.reconstruction.filters import angle_weights, ramp_filter

    windows = {"ramlak": "ramp", "shepp": "shepp-logan"}
    if name in ("none", "butterworth"):
        raise InputError(f"backend tomopy: filter_name: {name} is gridrec's; fbp takes ramlak, shepp, cosine, hann ...")
    columns = sinograms.shape[2]
    length = 2 * scipy.fft.next_fast_len(columns, real=True)
    edge = (length - columns) // 2
    padded = np.pad(sinograms, ((0, 0), (0, 0), (edge, length - columns - edge)), mode="edge")
    response = ramp_filter(length, windows.get(name, name)).astype(np.float32)
    filtered = scipy.fft.irfft(scipy.fft.rfft(padded, axis=2) * response, length, axis=2)[:, :, edge : edge + columns]
    return np.asarray(filtered * angle_weights(angles)[:, None], dtype=np.float32)
