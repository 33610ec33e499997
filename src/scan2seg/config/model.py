"""A model recipe: architecture, patches, training and inference."""

from typing import Any, Self

from pydantic import Field, field_validator, model_validator

from scan2seg import plugins
from scan2seg.config.base import Name, Settings
from scan2seg.config.patching import PatchingSettings
from scan2seg.config.pretraining import PretrainingSettings
from scan2seg.config.training import (
    Architecture,
    Augmentations,
    InferenceSettings,
    Losses,
    NormalisationSettings,
    OptimizerSettings,
    ResourceSettings,
    ScheduleSettings,
    TrainingSettings,
    Weightings,
)


class Model(Settings):
    """A model file."""

    name: Name
    """Its name; the file's stem unless given."""
    description: str = ""
    """A sentence for the report."""
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
    inference: InferenceSettings = InferenceSettings()
    """How it is applied."""
    resources: ResourceSettings = ResourceSettings()
    """What its jobs need."""

    @field_validator("loss", "augmentation", "weighting", mode="before")
    @classmethod
    def _make_list(cls, value: Any) -> Any:
        return [value] if isinstance(value, (str, dict)) else value

    @model_validator(mode="after")
    def _check_depth(self) -> Self:
        method = self.architecture["method"]
        volumes = getattr(plugins.load("architectures", method), "DIMENSIONS", 2) == 3
        if volumes and self.patching.depth is None:
            raise ValueError(f"architecture.method: {method} works on volumes; set patching.depth, such as 16")
        if not volumes and self.patching.depth is not None:
            raise ValueError(
                f"patching.depth: architecture.method: {method} works on images; leave depth out, or set "
                "patching.neighbours to show it the slices around"
            )
        return self

    @model_validator(mode="after")
    def _check_gpus(self) -> Self:
        devices, gpus = self.training.devices, self.resources.gpus
        if devices > 1 and gpus not in (0, devices):
            message = f"training.devices: {devices} needs a GPU each, resources.gpus: {gpus}; "
            raise ValueError(f"{message}set both to the same number, or resources.gpus to 0 to train on the CPU")
        return self

    @model_validator(mode="after")
    def _check_pretraining(self) -> Self:
        if self.pretraining is None:
            return self
        if not self.architecture.get("encoder"):
            raise ValueError(
                f"pretraining: needs architecture.encoder, and {self.architecture['method']} has none; "
                "name one, such as resnet18, in an architecture over encoders, such as unet"
            )
        sides = self.patching.pair(self.patching.size)
        if sides and 2 * self.pretraining.mask_size > min(sides):
            raise ValueError(
                f"pretraining.mask_size: {self.pretraining.mask_size} is more than half of the smallest side of a "
                f"patch, {min(sides)} pixels; lower it or raise patching.size"
            )
        return self

    def recipe(self) -> dict[str, Any]:
        """Return what training depends on: everything but resources, inference and words."""
        words = {"description", "resources", "inference", "name"}
        recipe: dict[str, Any] = self.model_dump(mode="json", exclude=words)
        if self.pretraining is None:
            del recipe["pretraining"]
        return recipe

    def pretraining_recipe(self) -> dict[str, Any]:
        """Return what the pre-training of the encoder depends on, beside the images."""
        recipe = self.recipe()
        encoder = {key: recipe["architecture"].get(key) for key in ("encoder", "pretrained", "sha256")}
        shared = {key: recipe[key] for key in ("patching", "normalisation", "augmentation")}
        own = {key: value for key, value in recipe["pretraining"].items() if key != "dataset"}
        hardware = {key: recipe["training"][key] for key in ("device", "precision")}
        return {**encoder, **shared, **hardware, "pretraining": own}
