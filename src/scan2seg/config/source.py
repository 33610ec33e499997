"""Where the images of a dataset come from: images, volumes, scans or a simulation."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from scan2seg.config.base import Chosen, FilePath, Name, Plugin, Settings
from scan2seg.config.denoising import DenoisingStep
from scan2seg.config.images import ImageSource
from scan2seg.config.labels import LabelMapping
from scan2seg.config.reconstruction import ReconstructionSettings
from scan2seg.config.scan_files import ScanFiles, ScanParts
from scan2seg.config.simulation import SimulationSettings
from scan2seg.config.volumes import VolumeSource


class _Reconstructed(LabelMapping):
    reconstruction: ReconstructionSettings = Field(default_factory=ReconstructionSettings)
    """How projections become a volume."""
    denoising: list[DenoisingStep] = []
    """The steps of denoising, in order."""
    formats: list[Annotated[Chosen, Plugin("formats")]] = []
    """Other formats that the volumes are written in too, such as ``[tiff, hdf5]``, each a file beside the store."""


class ScanSource(_Reconstructed, ScanParts):
    """Raw projections."""

    kind: Literal["scan"]
    """Scans."""
    scans: dict[Name, ScanFiles] | None = None
    """Name of the scan to its files."""
    projections: FilePath | None = None
    """Short for one scan, named after its file; what belongs to it stands beside it."""

    @model_validator(mode="after")
    def _check_files(self) -> Self:
        if (self.scans is None) == (self.projections is None):
            raise ValueError("give either scans: or projections:")
        beside = [key for key in ScanParts.model_fields if getattr(self, key) is not None]
        if self.scans is not None and beside:
            raise ValueError(f"write {', '.join(beside)} under the scan of scans: that it belongs to")
        return self


class SimulationSource(_Reconstructed):
    """A simulated pillar, whose true labels are known."""

    kind: Literal["simulation"]
    """A simulation."""
    scans: dict[Name, SimulationSettings] = Field(min_length=1)
    """Name of the scan to the settings of its simulation."""


Source = Annotated[ImageSource | VolumeSource | ScanSource | SimulationSource, Field(discriminator="kind")]


class ScanLabels(LabelMapping):
    """What a stack takes of scans or a simulation beside their volumes: how their labels become classes."""

    kind: Literal["scan", "simulation"]
    """Scans, or a simulation."""


class ScanVolume(Settings):
    """The volume of a scan, and its labels."""

    volume: str
    """The store."""
    labels: str | None = None
    """The label volume, where there is one; it may be larger than a volume that was cropped."""
    labels_key: str | None = None
    """Name of the array in the label file."""


StackSource = Annotated[ImageSource | VolumeSource | ScanLabels, Field(discriminator="kind")]
"""What a stack is made of: a source without what stages before have done."""
