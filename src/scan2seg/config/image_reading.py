"""How images were read before a model was trained on them: what a source says of it, without its files.

It travels with the stack, the patches and the checkpoint, so that new images come to the model in the same way.
"""

from typing import Literal, Self

from scan2seg.config.denoising import ImageDenoising
from scan2seg.config.images import ImageSource
from scan2seg.config.source import StackSource
from scan2seg.config.volumes import VolumeFiles, VolumeSource


class Reading(ImageDenoising):
    """What a source does to its images and volumes on the way in."""

    kind: Literal["images", "volume", "scan", "simulation"]
    """The kind of the source."""
    resize: tuple[int, int] | None = None
    """Images are resized to (height, width)."""
    intensities: Literal["stored", "type"] | None = None
    """``type``: images are divided by the largest value of their type."""
    spacing: Literal["isotropic"] | tuple[float, float, float] | None = None
    """Volumes are resampled to this distance between voxels."""
    channels: list[int] | None = None
    """The channels that are kept of a volume."""
    axis: Literal[0, 1, 2] = 0
    """Along which slices are taken of a volume."""
    standardise: bool = False
    """Volumes come with mean 0 and standard deviation 1."""

    @classmethod
    def of(cls, source: StackSource) -> Self:
        """Return what a source says of it."""
        content = source.model_dump(mode="json")
        return cls.model_validate({name: content[name] for name in cls.model_fields if name in content})

    def describe_steps(self) -> list[str]:
        """Word, in their order, what is done to an image or volume before a model sees it."""
        steps = {
            f"resampled to {self._word_spacing()}": self.spacing,
            f"cut into slices along axis {self.axis} of (z, y, x)": self.axis,
            f"reduced to the channels {self.channels}, counted from 0": self.channels,
            "divided by the largest value of their type": self.intensities == "type",
            f"resized to {self.resize} (height, width)": self.resize,
            "denoised by " + ", then ".join(str(step.content()) for step in self.denoising): self.denoising,
            "standardised: less the mean of the whole volume, over its standard deviation": self.standardise,
        }
        return [words for words, done in steps.items() if done]

    def _word_spacing(self) -> str:
        if isinstance(self.spacing, tuple):
            return " x ".join(f"{length:g}" for length in self.spacing) + " micrometres"
        return "cubes as wide as the shortest edge of their voxels"

    def image_source(self, pattern: str) -> ImageSource:
        """Return a source of images, read so."""
        intensities = self.intensities if self.kind == "images" else None
        content = {"images": pattern, "resize": self.resize, "intensities": intensities}
        return ImageSource(kind="images", denoising=self.denoising, **content)

    def volume_source(self, name: str, files: VolumeFiles, key: str | None = None) -> VolumeSource:
        """Return a source of one volume, read so; the key is that of the array in HDF5 and Zarr files."""
        own = {name: getattr(self, name) for name in ("spacing", "channels", "axis", "standardise")}
        return VolumeSource(kind="volume", volumes={name: files}, images_key=key, denoising=self.denoising, **own)
