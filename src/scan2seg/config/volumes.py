"""Volumes with label volumes."""

from typing import Literal, Self

from pydantic import model_validator

from scan2seg.config.base import FilePath, Name, Settings
from scan2seg.config.labels import LabelMapping


class VolumeFiles(Settings):
    """One volume: a file, or a pattern of slices, for each channel, and its labels."""

    images: FilePath | list[FilePath]
    """A file (TIFF, HDF5, Zarr, NIfTI, MetaImage) or a pattern of slice files; a list means one entry a channel."""
    labels: FilePath | None = None
    """The label volume."""


class VolumeSource(LabelMapping):
    """Volumes with label volumes; each volume is a group, each slice an image."""

    kind: Literal["volume"]
    """Volumes."""
    volumes: dict[Name, VolumeFiles] | None = None
    """Name of the volume, or the patient, to its files."""
    folders: FilePath | None = None
    """Pattern of folders with one volume each; ``images`` and ``labels`` are then patterns within a folder."""
    images: list[str] | str | None = None
    """With ``folders``: file patterns within each folder, one a channel."""
    labels: str | None = None
    """With ``folders``: the file pattern of the labels within each folder."""
    images_key: str | None = None
    """Name of the array in HDF5 and Zarr files; needed only where there are several."""
    labels_key: str | None = None
    """The same for the labels."""
    axis: Literal[0, 1, 2] = 0
    """The axis of (z, y, x) along which slices are taken; NIfTI and MetaImage are read as (z, y, x) too."""
    slices: tuple[int, int] | None = None
    """First slice, and the one behind the last, of every volume."""
    standardise: bool = False
    """Subtract each volume's mean and divide by its standard deviation, a channel at a time."""

    @model_validator(mode="after")
    def _check_files(self) -> Self:
        if (self.volumes is None) == (self.folders is None):
            raise ValueError("give either volumes: or folders: with images: and labels:")
        if self.folders is not None and self.images is None:
            raise ValueError("folders: needs images: with a file pattern a channel")
        return self
