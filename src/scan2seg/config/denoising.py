"""Settings of denoising: a list of steps, each a plugin of the folder ``denoising``."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from scan2seg.config.base import Chosen, Plugin, Settings, is_unset

DenoisingStep = Annotated[Chosen, Plugin("denoising")]


class ImageDenoising(Settings):
    """Denoising of images that are there already, each on its own."""

    denoising: list[DenoisingStep] = Field(default=[], exclude_if=is_unset)
    """The steps of denoising, in order, for each image and channel on its own, after ``resize`` or ``spacing``; labels
    stay as they are, and ``standardise`` still measures the volume as it is stored. A step measures the noise on each
    image. Steps in three dimensions are for scans."""

    @model_validator(mode="after")
    def _check_denoising(self) -> Self:
        for step in self.denoising:
            if step.get("dimensions") == 3:
                raise ValueError(f"denoising: {step.method}: images are denoised one by one; set dimensions: 2")
            if hasattr(step.module, "splits"):
                raise ValueError(f"denoising: {step.method} works on projections, which only a scan has")
        return self
