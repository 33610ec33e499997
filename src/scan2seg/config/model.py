"""A model file: its recipe, how it is applied, and what its jobs need."""

from typing import Self

from pydantic import model_validator

from scan2seg.config.base import Name, Settings
from scan2seg.config.recipe import EncoderRecipe, Recipe
from scan2seg.config.training import InferenceSettings, ResourceSettings


class _Words(Settings):
    name: Name
    """Its name; the file's stem unless given."""
    description: str = ""
    """A sentence for the report."""


class Model(Recipe, _Words):
    """A model file."""

    inference: InferenceSettings = InferenceSettings()
    """How it is applied."""
    resources: ResourceSettings = ResourceSettings()
    """What its jobs need."""

    @model_validator(mode="after")
    def _check_depth(self) -> Self:
        method = self.architecture.method
        volumes = getattr(self.architecture.module, "DIMENSIONS", 2) == 3
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
                f"pretraining: needs architecture.encoder, and {self.architecture.method} has none; "
                "name one, such as resnet18, in an architecture over encoders, such as unet"
            )
        sides = self.patching.pair(self.patching.size)
        if sides and 2 * self.pretraining.mask_size > min(sides):
            raise ValueError(
                f"pretraining.mask_size: {self.pretraining.mask_size} is more than half of the smallest side of a "
                f"patch, {min(sides)} pixels; lower it or raise patching.size"
            )
        return self

    def recipe(self) -> Recipe:
        """Return what training depends on: everything but resources, inference and words."""
        return Recipe.model_construct(**{name: getattr(self, name) for name in Recipe.model_fields})

    def pretraining_recipe(self) -> EncoderRecipe:
        """Return what the pre-training of the encoder depends on, beside the images."""
        return EncoderRecipe.model_validate(
            {
                **{key: self.architecture.get(key) for key in ("encoder", "pretrained", "sha256")},
                **{key: getattr(self, key) for key in ("patching", "normalisation", "augmentation", "pretraining")},
                **{key: getattr(self.training, key) for key in ("device", "precision")},
            }
        )
