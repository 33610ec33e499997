"""Noise2Inverse: a small network learns from the scan itself what is specimen and what is noise; no clean data needed.

It works on reconstructions from disjoint sets of projections, so it must be the first step. See ``split_training``.
"""

from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from scan2seg.config.base import Settings

SAMPLE_SLICES = 24


COPIES = 5
"""The sum of the parts, the mean of all but one in two steps and padded, and the result."""


class Params(Settings):
    """Settings of Noise2Inverse."""

    splits: int = Field(4, ge=2, le=16)
    """Number of sets that the projections are dealt out to; each is reconstructed on its own."""
    slices: int = Field(5, ge=1, le=9)
    """Number of neighbouring slices that the network sees, odd."""
    width: int = Field(16, ge=4, le=128)
    """Channels of the network at full resolution."""
    steps: int = Field(3200, ge=1)
    """Number of training batches."""
    crop: int = Field(64, ge=16)
    """Edge of a training crop, in pixels."""
    batch: int = Field(8, ge=1)
    """Crops in a batch."""
    learning_rate: float = Field(3e-3, gt=0, le=1)
    """Highest learning rate."""
    seed: int = Field(0, ge=0)
    """Seed of the initial weights and of the crops."""
    half_precision: bool = False
    """Whether the network computes in bfloat16; several times faster where the hardware has it."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where it runs; auto takes a GPU that torch can use, else the processor."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.slices % 2 == 0:
            raise ValueError(f"slices is {self.slices}: write an odd number")
        return self


def splits(params: Params) -> int:
    """Return how many reconstructions, each from its own set of projections, the step needs."""
    return params.splits


def depth(params: Params) -> tuple[int, int, int]:
    """Return the reach (z, y, x) in voxels."""
    from scan2seg.denoising.split_training import reach

    return reach(params.slices)


def measure(sample: NDArray[np.float32], params: Params) -> dict[str, Any]:
    """Train the network on a sample (part, z, y, x)."""
    from scan2seg.denoising.split_training import train
    from scan2seg.device import choose_device

    settings = params.model_dump(exclude={"splits", "device"})
    return {"weights": train(sample, **settings, device=choose_device(params.device))}


def denoise(volume: NDArray[np.float32], params: Params, measured: dict[str, Any], threads: int) -> NDArray[np.float32]:
    """Denoise a block given as its reconstructions (part, z, y, x); the result is (z, y, x)."""
    from scan2seg.denoising.split_training import apply
    from scan2seg.device import choose_device

    device = choose_device(params.device)
    return apply(volume, measured["weights"], device, params.half_precision)
