"""The patches that a model trains on."""

from typing import Literal, Self

from pydantic import Field, model_validator

from scan2seg.config.base import Settings, is_unset


class PatchingSettings(Settings):
    """Size and places of patches; models with equal settings share one store."""

    size: tuple[int, int] | int | None = None
    """Height and width; null means the whole image."""
    stride: tuple[int, int] | int | None = None
    """Step between patches; the size when not given."""
    strategy: Literal["grid", "foreground"] = "grid"
    """grid: all places a stride apart, the last one moved to the edge; foreground: of these, only the
    ``count`` places an image that hold most pixels of any class but the first."""
    count: int = Field(default=1, ge=1)
    """With ``foreground``: patches an image; with ``depth``, a slab of so many slices."""
    minimum_foreground: float = Field(default=0.0, ge=0, le=1)
    """Leave out patches with a smaller share of pixels of any class but the first."""
    neighbours: int = Field(default=0, ge=0, le=8)
    """Slices above and below that become further channels (2.5-D)."""
    depth: int | None = Field(default=None, ge=2, exclude_if=is_unset)
    """Slices of a patch, for networks on volumes (3-D); null for patches of single images."""
    depth_stride: int | None = Field(default=None, ge=1, exclude_if=is_unset)
    """Slices between patches; the depth when not given."""

    @model_validator(mode="after")
    def _check_sizes(self) -> Self:
        for value in (*(self.pair(self.size) or ()), *(self.pair(self.stride) or ())):
            if value < 1:
                raise ValueError("size and stride must be at least 1")
        if self.depth is None and self.depth_stride is not None:
            raise ValueError("depth_stride: needs depth, the slices of a patch")
        if self.depth is not None and self.neighbours:
            raise ValueError("depth and neighbours: give one; depth is for 3-D networks, neighbours for 2-D ones")
        return self

    @staticmethod
    def pair(value: tuple[int, int] | int | None) -> tuple[int, int] | None:
        """Return (height, width) of a size that may be one number."""
        return (value, value) if isinstance(value, int) else value

    def label(self) -> str:
        """Return what people call patches of this size, such as ``16x64x64`` or ``whole``."""
        size = self.pair(self.size)
        return "whole" if size is None else "x".join(str(length) for length in (self.depth, *size) if length)
