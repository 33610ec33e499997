"""A row of the literature, which tables and figures show beside our own."""

from typing import Any

from pydantic import Field

from scan2seg.config.base import Name, Settings


class PublishedRow(Settings):
    """A row of the literature, shown marked beside our own."""

    model: str
    """What the source calls the model."""
    source: str
    """Where the number stands."""
    mean_iou: float | None = Field(default=None, ge=0, le=1)
    """Mean IoU as published."""
    mean_dice: float | None = Field(default=None, ge=0, le=1)
    """Mean Dice coefficient as published, of all classes that this benchmark averages, the background too."""
    mean_case_dice: float | None = Field(default=None, ge=0, le=1)
    """Mean over volumes or patients of the Dice coefficient of the classes but the first, the background."""
    dice: float | None = Field(default=None, ge=0, le=1)
    """Dice coefficient of which the source does not say what it is averaged over; stands beside none of ours."""
    pixel_accuracy: float | None = Field(default=None, ge=0, le=1)
    """Pixel accuracy as published, of the test images."""
    train_pixel_accuracy: float | None = Field(default=None, ge=0, le=1)
    """That of the training images."""
    validation_pixel_accuracy: float | None = Field(default=None, ge=0, le=1)
    """That of the validation images."""
    mean_image_jaccard: float | None = Field(default=None, ge=0, le=1)
    """Mean over images of the Jaccard index."""
    mean_image_f1: float | None = Field(default=None, ge=0, le=1)
    """Mean over images of the F1 score."""
    mean_image_accuracy: float | None = Field(default=None, ge=0, le=1)
    """Mean over images of the share of right pixels."""
    mean_image_recall: float | None = Field(default=None, ge=0, le=1)
    """Mean over images of the recall."""
    mean_image_precision: float | None = Field(default=None, ge=0, le=1)
    """Mean over images of the precision."""
    batch_size: int | None = Field(default=None, ge=1)
    """Images or patches a step."""
    epochs: int | None = Field(default=None, ge=1)
    """Epochs of training."""
    steps: int | None = Field(default=None, ge=1)
    """Steps of the optimiser."""
    training_time: str = ""
    """How long the training took, in the source's own words, such as 4 to 4.5 days."""
    devices: str = ""
    """On what it was trained, in the source's own words, such as 4 GPUs."""
    prediction_seconds: float | None = Field(default=None, gt=0)
    """Seconds to predict one image."""
    protocol: str = ""
    """How it was trained and tested where that differs from here, such as another split or fewer images."""
    repeated_by: list[Name] = []
    """Models here that repeat it: the row stands beside theirs in the table of performance."""
    note: str = ""
    """What differs from this benchmark."""

    def known(self) -> dict[str, Any]:
        """Return what the source says, by key."""
        return {key: value for key, value in self if value not in (None, "", [])}
