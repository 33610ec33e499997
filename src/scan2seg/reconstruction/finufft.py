"""Filtered backprojection by the non-uniform FFT of the FINUFFT library: any accuracy; optional."""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from scan2seg.config.base import Settings


class Params(Settings):
    """Settings of the FINUFFT reconstruction."""

    window: Literal["ramp", "shepp-logan", "cosine", "hann", "hamming", "parzen"] = "ramp"
    """What multiplies the ramp filter, from sharpest and noisiest to smoothest."""
    padding: Literal["edge", "zero"] = "edge"
    """What the projections continue with beyond the detector."""
    tolerance: float = Field(1e-4, ge=1e-6, le=1e-2)
    """Relative error of the transform."""
    upsampling: float = Field(1.25, ge=1.25, le=2.0)
    """How much finer than the slice's spectrum the grid is: FINUFFT knows 1.25 and 2."""


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
        InputError: FINUFFT is not installed.
    """
    import threading
    from concurrent.futures import ThreadPoolExecutor

    import scipy.fft

    from scan2seg.reconstruction.gridding_kernel import make_plan
    from scan2seg.reconstruction.libraries import optional_library

    library = optional_library("finufft", "pip install finufft")
    rows, _, columns = sinograms.shape
    plan = make_plan(columns, angles, centre, params.window)
    frequency = np.fft.fftfreq(plan.padded, 1 / plan.padded)
    across, down, origin, weight = plan.directions.T
    wave = 2 * np.pi / plan.padded
    factors = np.exp(1j * wave * np.outer(origin, frequency)) * np.outer(weight, np.fft.ifftshift(plan.response))
    factors = factors.astype(np.complex64)
    points = [(wave * np.outer(part, frequency)).ravel().astype(np.float32) for part in (down, across)]
    slices = np.empty((rows, columns, columns), np.float32)
    local = threading.local()

    def work(start: int) -> None:
        if not hasattr(local, "plan"):
            # One single-threaded plan a thread is faster than one plan with many threads.
            options: dict[str, Any] = {"eps": params.tolerance, "isign": 1, "nthreads": 1, "dtype": "complex64"}
            local.plan = library.Plan(1, (columns, columns), upsampfac=params.upsampling, **options)
            local.plan.setpts(*points)
        pair = sinograms[start] + 1j * sinograms[min(start + 1, rows - 1)]
        padded = _pad(pair, plan.padded, params.padding)
        spectra = scipy.fft.fft(padded, axis=1, overwrite_x=True) * factors
        image = local.plan.execute(np.ascontiguousarray(spectra.ravel()))
        slices[start] = image.real
        if start + 1 < rows:
            slices[start + 1] = image.imag

    with ThreadPoolExecutor(max(threads, 1)) as pool:
        list(pool.map(work, range(0, rows, 2)))
    return slices


def _pad(pair: NDArray[Any], length: int, padding: str) -> NDArray[np.complex64]:
    """Extend (projections, columns) behind the last column: with zeros, or with the edges' values from both ends."""
    columns = pair.shape[1]
    padded = np.zeros((len(pair), length), np.complex64)
    padded[:, :columns] = pair
    if padding == "edge":
        half = columns + (length - columns) // 2
        padded[:, columns:half] = pair[:, -1:]
        padded[:, half:] = pair[:, :1]
    return padded
