"""Settings that augmentations share."""

from typing import Literal

from pydantic import Field

from scan2seg.config.base import Settings


class AugmentationParams(Settings):
    """Base of every augmentation's settings."""

    probability: float = Field(0.5, ge=0, le=1)
    """With which each sample is changed."""


class WarpParams(AugmentationParams):
    """Base of the augmentations that move pixels by fractions."""

    border: Literal["mirror", "ignore"] = "mirror"
    """What comes from beyond the edge: the mirrored image and label, or the mirrored image with the label 255,
    which no loss counts."""
