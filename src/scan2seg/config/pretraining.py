"""Self-supervised pre-training of a model's encoder."""

from pydantic import Field

from scan2seg.config.base import NameOrPath, Settings


class PretrainingSettings(Settings):
    """Masked-image reconstruction: the encoder learns to fill in hidden blocks of images; no label is read."""

    dataset: NameOrPath | None = None
    """Whose images: null takes the training images of the very dataset that the model trains on; or another dataset,
    a stem in config/datasets or a path. Of one with labels the training images are taken, of one without all."""
    epochs: int = Field(default=100, ge=1)
    """Passes over the patches; the first tenth of them is a linear warm-up, then the rate falls as a cosine."""
    batch_size: int = Field(default=32, ge=2)
    """Patches a step."""
    mask_share: float = Field(default=0.6, gt=0, lt=1)
    """Share of the blocks that is hidden."""
    mask_size: int = Field(default=16, ge=1)
    """Height and width of a block in pixels."""
    learning_rate: float = Field(default=1e-3, gt=0)
    """The highest learning rate of AdamW."""
    weight_decay: float = Field(default=0.05, ge=0)
    """Its weight decay."""
    seed: int = Field(default=0, ge=0)
    """Seed of first weights, order, augmentation and masks: one pre-training serves all replicates."""
