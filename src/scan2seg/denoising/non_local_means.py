"""Non-local means: each voxel becomes a mean over its surroundings, weighted by how alike the patches around them are.

Buades, Coll, Morel, "A non-local algorithm for image denoising", CVPR 2005, in the fast form of scikit-image.
"""

from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from scan2seg.config.base import Settings


class Params(Settings):
    """Settings of non-local means."""

    patch_size: int = Field(5, ge=3, le=15)
    """Edge of a patch in pixels, odd."""
    patch_distance: int = Field(6, ge=1, le=30)
    """How far alike patches are looked for along each axis, in pixels."""
    strength: float = Field(1.3, gt=0, le=10)
    """Filter strength h as a multiple of the noise level: 0.8 leaves noise, 1.5 begins to blur."""
    noise: float | None = Field(None, ge=0)
    """Standard deviation of the noise in the volume's unit; null estimates it."""
    subtract_noise: bool = True
    """Whether the noise's share of the difference of two patches is subtracted from it."""
    dimensions: Literal[2, 3] = 2
    """2 for each slice on its own, 3 for patches and search across slices."""
    window: Literal["full", "scikit-image"] = "full"
    """Whole patches and exact weights, or those of scikit-image's fast mode, for the same results as it gives."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where it runs; auto takes a GPU that torch can use, else the processor."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.patch_size % 2 == 0:
            raise ValueError(f"patch_size is {self.patch_size}: write an odd number")
        return self


def depth(params: Params) -> tuple[int, int, int]:
    """Return the reach (z, y, x) in voxels."""
    reach = params.patch_size // 2 + params.patch_distance
    return (reach if params.dimensions == 3 else 0, reach, reach)


def measure(sample: NDArray[np.float32], params: Params) -> dict[str, Any]:
    """Estimate the noise level, unless it is given."""
    from scan2seg.denoising.noise import estimate_noise

    return {"noise": estimate_noise(sample) if params.noise is None else params.noise}


def denoise(volume: NDArray[np.float32], params: Params, measured: dict[str, Any], threads: int) -> NDArray[np.float32]:
    """Denoise a volume (z, y, x), mirrored beyond its edges; without noise nothing changes."""
    from scan2seg.denoising.nlm_numba import non_local_means
    from scan2seg.device import choose_device

    noise = float(measured["noise"])
    if noise == 0:
        return volume.copy()
    h, subtracted = params.strength * noise, noise if params.subtract_noise else 0.0
    shape = (params.patch_size, params.patch_distance, params.dimensions, params.window)
    if choose_device(params.device) == "cuda":
        from scan2seg.denoising import nlm_torch

        return nlm_torch.non_local_means(volume, h, subtracted, *shape, device="cuda")
    return non_local_means(volume, h, subtracted, *shape, threads=threads)
