"""The setting that every loss has."""

from pydantic import Field

from scan2seg.config.base import Settings


class LossParams(Settings):
    """Base of every loss's settings."""

    weight: float = Field(1.0, gt=0)
    """Factor of this loss in the sum of the recipe's losses."""
