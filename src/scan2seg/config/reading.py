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

    def image_source(self, pattern: str) -> ImageSource:
        """Return a source of images, read so."""
        intensities = self.intensities if self.kind == "images" else None
        content = {"images": pattern, "resize": self.resize, "intensities": intensities}
        return ImageSource(kind="images", denoising=self.denoising, **content)

    def volume_source(self, name: str, files: VolumeFiles, key: str | None = None) -> VolumeSource:
        """Return a source of one volume, read so; the key is that of the array in HDF5 and Zarr files."""
        own = {name: getattr(self, name) for name in ("spacing", "channels", "axis", "standardise")}
        return VolumeSource(kind="volume", volumes={name: files}, images_key=key, denoising=self.denoising, **own)
