"""Single images with label images."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from scan2seg.config.base import FilePath, Settings, is_unset
from scan2seg.config.denoising import ImageDenoising
from scan2seg.config.groups import Groups
from scan2seg.config.labels import LabelMapping

Side = Annotated[int, Field(ge=1)]


class ImageFiles(Settings):
    """Images and their labels, matched by stem, and by folder too where stems repeat."""

    images: FilePath
    """Glob pattern of the images (PNG, TIFF or JPEG)."""
    labels: FilePath | None = None
    """Glob pattern of the labels."""


class ImageSource(LabelMapping, ImageDenoising):
    """Single images with one label image each."""

    kind: Literal["images"]
    """Images."""
    images: FilePath | None = None
    """Glob pattern of all images, where no folders say the split."""
    labels: FilePath | None = None
    """Glob pattern of all labels."""
    train: ImageFiles | None = None
    """The training images, where folders say the split."""
    validation: ImageFiles | None = None
    """The validation images."""
    test: ImageFiles | None = None
    """The test images."""
    label_suffix: str | None = None
    """What a label's stem has behind the image's (``_mask``); found when not given."""
    unmatched: Literal["refuse", "skip"] = "refuse"
    """What becomes of images without labels and labels without images: ``skip`` leaves them out and names them."""
    intensities: Literal["stored", "type"] | None = None
    """How images of unlike types (8 and 16 bit) become comparable: ``type`` divides each by the largest value of its
    type; ``stored`` leaves them, for models with ``normalisation: {per_image: true}``. Not given, unlike types are
    refused."""
    groups: Groups | None = None
    """Which images belong together (a patient, a sample), for ``split: {strategy: grouped}``: ``folder``, a pattern of
    the path's end such as ``{group}_*``, or ``{file: patients.csv, image: COLUMN, group: COLUMN}``."""
    resize: tuple[int, int] | None = None
    """Resize every image to (height, width); labels by nearest neighbour."""
    foreground_crop: tuple[Side, Side] | None = Field(default=None, exclude_if=is_unset)
    """Keep of every image, test images too, one part of (height, width): where the label holds most pixels of any class
    but the first, or the middle where it holds none. Scores on such parts are not those of whole images."""

    def without_labels(self) -> Self:
        """Return the source of the images alone."""
        parts = {name: getattr(self, name) for name in ("train", "validation", "test")}
        bare = {name: part and part.model_copy(update={"labels": None}) for name, part in parts.items()}
        return self.model_copy(update={"labels": None, **bare})

    @model_validator(mode="after")
    def _check_files(self) -> Self:
        if (self.images is None) == (self.train is None):
            raise ValueError("give either images: and labels:, or train:, validation: and test: with them")
        if self.train is not None and self.test is None:
            raise ValueError("train: is given, so test: must be given too")
        return self
