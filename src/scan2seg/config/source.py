"""Where the images of a dataset come from: images, volumes, scans or a simulation."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from scan2seg.config.base import FilePath, Name, Settings
from scan2seg.config.denoising import DenoisingStep
from scan2seg.config.images import ImageSource
from scan2seg.config.labels import LabelMapping
from scan2seg.config.reconstruction import ReconstructionSettings
from scan2seg.config.simulation import SimulationSettings
from scan2seg.config.volumes import VolumeSource


class ScanFiles(Settings):
    """The files of one scan."""

    projections: FilePath
    """The raw projections: a file, or a pattern of files."""
    flats: FilePath | None = None
    """Flat fields, where they are not in the same file."""
    darks: FilePath | None = None
    """Dark fields, where they are not in the same file."""
    angles: FilePath | None = None
    """A text file with one angle in degrees a line, where the scan has none."""
    reader: str | None = None
    """The reader's name; found from the file when not given."""
    labels: FilePath | None = None
    """The label volume of the reconstruction, where there is one."""
    labels_key: str | None = None
    """Name of the array in the label file."""
    reconstruction: dict[str, Any] = {}
    """Settings of the reconstruction that differ for this scan."""


class _Reconstructed(LabelMapping):
    reconstruction: ReconstructionSettings = Field(default_factory=ReconstructionSettings)
    """How projections become a volume."""
    denoising: list[DenoisingStep] = []
    """The steps of denoising, in order."""


class ScanSource(_Reconstructed):
    """Raw projections."""

    kind: Literal["scan"]
    """Scans."""
    scans: dict[Name, ScanFiles] | None = None
    """Name of the scan to its files."""
    projections: FilePath | None = None
    """Short for one scan, named after its file."""
    labels: FilePath | None = None
    """The label volume of that one scan."""

    @model_validator(mode="after")
    def _check_files(self) -> Self:
        if (self.scans is None) == (self.projections is None):
            raise ValueError("give either scans: or projections:")
        return self


class SimulationSource(_Reconstructed):
    """A simulated pillar, whose true labels are known."""

    kind: Literal["simulation"]
    """A simulation."""
    scans: dict[Name, SimulationSettings] = Field(min_length=1)
    """Name of the scan to the settings of its simulation."""


Source = Annotated[ImageSource | VolumeSource | ScanSource | SimulationSource, Field(discriminator="kind")]
