"""What a training depends on, and what the pre-training of its encoder does: a model file without its words."""

from typing import Any

from pydantic import Field, field_validator

from scan2seg.config.base import Settings
from scan2seg.config.patching import PatchingSettings
from scan2seg.config.pretraining import PretrainingSettings
from scan2seg.config.training import (
    Architecture,
    Augmentations,
    Device,
    Losses,
    NormalisationSettings,
    OptimizerSettings,
    Precision,
    ScheduleSettings,
    TrainingSettings,
    Weightings,
)


class Recipe(Settings):
    """How a model is trained: everything that decides its weights, but for the data and the seed."""

    architecture: Architecture
    """The network, or the classical method, and its settings."""
    deterministic_fit: bool = False
    """The result does not depend on the seed (Otsu): only the first replicate of each fold is run."""
    patching: PatchingSettings = PatchingSettings()
    """The patches it trains on."""
    normalisation: NormalisationSettings = NormalisationSettings()
    """How grey values become input."""
    augmentation: Augmentations = []
    """Changes of the training patches, drawn anew for each sample, in order."""
    loss: Losses = Field(default=["cross_entropy"], validate_default=True)
    """The losses, summed with their weights; one may be written without the list."""
    weighting: Weightings = []
    """Maps of pixel weights, multiplied."""
    optimizer: OptimizerSettings = OptimizerSettings()
    """The optimizer."""
    schedule: ScheduleSettings = ScheduleSettings()
    """The learning rate's curve."""
    training: TrainingSettings = TrainingSettings()
    """The training loop."""
    pretraining: PretrainingSettings | None = None
    """Pre-training of the encoder on images without labels, before the training; none when not given. It starts from
    ``architecture.pretrained``, and uses the patching, normalisation and augmentation above."""

    @field_validator("loss", "augmentation", "weighting", mode="before")
    @classmethod
    def _make_list(cls, value: Any) -> Any:
        return [value] if isinstance(value, (str, dict)) else value

    def content(self) -> dict[str, Any]:
        """Return it as plain JSON: the form that keys, jobs and checkpoints have it in."""
        content: dict[str, Any] = self.model_dump(mode="json", include=set(Recipe.model_fields))
        if self.pretraining is None:
            del content["pretraining"]
        return content


class EncoderRecipe(Settings):
    """What the pre-training of an encoder depends on, beside the images."""

    encoder: str
    """The encoder's name."""
    pretrained: str | None = None
    """The weights that it starts from."""
    sha256: str | None = None
    """Their hash."""
    patching: PatchingSettings
    """The patches."""
    normalisation: NormalisationSettings
    """How grey values become input."""
    augmentation: Augmentations
    """Changes of the patches."""
    device: Device
    """Where to train."""
    precision: Precision
    """What to compute in."""
    pretraining: PretrainingSettings
    """The training."""

    @property
    def training(self) -> TrainingSettings:
        """The loop, which is that of any training."""
        settings = self.pretraining
        return TrainingSettings(
            epochs=settings.epochs, batch_size=settings.batch_size, device=self.device, precision=self.precision
        )

    def content(self) -> dict[str, Any]:
        """Return it as plain JSON, without the name of the dataset: its images are what counts."""
        content: dict[str, Any] = self.model_dump(mode="json", exclude={"pretraining": {"dataset"}})
        return content
