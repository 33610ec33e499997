"""How images are divided into training, validation and test."""

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from scan2seg.config.base import Settings

PARTS = ("train", "validation", "test")


class Shares(Settings):
    """One number a part: fractions of 1, or counts of images."""

    train: float = Field(ge=0)
    """Share or count of the training images."""
    validation: float = Field(ge=0)
    """Share or count of the validation images."""
    test: float = Field(ge=0)
    """Share or count of the test images."""


class Lists(Settings):
    """Names of the images of each part."""

    train: list[str]
    """Names of training images (file stems, or VOLUME/SLICE)."""
    validation: list[str] = []
    """Names of validation images."""
    test: list[str]
    """Names of test images."""


class SplitSettings(Settings):
    """The split of a dataset."""

    strategy: Literal["random", "blocked", "grouped", "given"] = "random"
    """random: image by image (neighbouring slices leak); blocked: contiguous runs with a gap between them;
    grouped: whole volumes, or what ``source.groups`` keeps together; given: by folders or by ``lists``."""
    fractions: Shares | None = None
    """Fractions of the images; they may add up to less than one."""
    counts: Shares | None = None
    """Counts of images instead of fractions."""
    lists: Lists | None = None
    """With ``given``: the names of each part, where the folders do not say it."""
    gap: int = Field(default=1, ge=0)
    """With ``blocked``: images left out between two parts, and beside the validation images of a fold."""
    drop_empty: bool | Literal["training", "ends"] = False
    """Leave out images whose labels hold the first class only: true leaves them out of all parts, ``training`` of the
    training images alone, so that scores see them as they come, and ``ends`` of all parts those before the first and
    behind the last image of a volume that holds another class."""
    training_images: int | None = Field(default=None, ge=1)
    """Train with only so many of the training images, evenly spread; validation and test images stay the same."""
    seed: int = Field(default=42, ge=0)
    """Seed of the random order."""

    @field_validator("fractions")
    @classmethod
    def _check_fractions(cls, fractions: Shares | None) -> Shares | None:
        total = sum(fractions.model_dump().values()) if fractions else 0
        if total > 1 + 1e-9:
            raise ValueError(f"the fractions add up to {total:g}; make them add up to 1 or less")
        return fractions

    @model_validator(mode="after")
    def _check_shares(self) -> Self:
        if self.fractions and self.counts:
            raise ValueError("give either fractions or counts, not both")
        if self.counts and any(count % 1 for count in self.counts.model_dump().values()):
            raise ValueError("counts: give whole numbers of images, or fractions: instead")
        shares = self.fractions or self.counts
        if shares and (shares.train == 0 or shares.test == 0):
            raise ValueError("train and test must not be 0")
        return self

    def shares(self) -> Shares:
        """Return counts or fractions; the default is 60, 20 and 20 per cent."""
        return self.counts or self.fractions or Shares(train=0.6, validation=0.2, test=0.2)
