"""Volumes with label volumes."""

from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, StringConstraints, Tag, model_validator

from scan2seg.config.base import FilePath, Settings, is_unset
from scan2seg.config.denoising import ImageDenoising
from scan2seg.config.labels import LabelMapping

VolumeName = Annotated[str, StringConstraints(pattern=r"^[^/\\\x00-\x1f]+$", max_length=200)]
"""The name of a volume or patient as its owner writes it: no slash and no line break."""
Length = Annotated[float, Field(gt=0, lt=1e9)]


class VolumeFiles(Settings):
    """One volume: a file, or a pattern of slices, for each channel, and its labels."""

    images: FilePath | list[FilePath]
    """A file (TIFF, HDF5, Zarr, NIfTI, MetaImage), a folder of slices or a pattern of slice files; a list means one
    entry a channel. For many volumes at once: a pattern whose every match is a volume."""
    labels: FilePath | None = None
    """The label volume, in the same way."""


def _form(value: Any) -> str:
    """Tell the two forms of ``volumes`` apart: in a table of volumes every value is a mapping."""
    images = value.get("images") if isinstance(value, dict) else None
    return "pattern" if isinstance(value, VolumeFiles) or isinstance(images, str | list) else "table"


Volumes = Annotated[
    Annotated[dict[VolumeName, VolumeFiles], Tag("table")] | Annotated[VolumeFiles, Tag("pattern")],
    Discriminator(_form),
]


class VolumeSource(LabelMapping, ImageDenoising):
    """Volumes with label volumes; each volume is a group, each slice an image."""

    kind: Literal["volume"]
    """Volumes."""
    volumes: Volumes | None = None
    """Name of the volume, or the patient, to its files; or ``images`` and ``labels`` with patterns whose every match, a
    file or a folder of slices, is a volume. Names are matched without the channel (``_0000``) and a label's suffix."""
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
    label_suffix: str | None = None
    """With patterns: what the name of a label has behind that of its volume (``_seg``); found when not given."""
    unmatched: Literal["refuse", "skip"] = "refuse"
    """What becomes of volumes and slices without labels, and of labels without images: ``skip`` leaves them out, and
    names them."""
    missing_chunks: Literal["refuse", "fill"] = "refuse"
    """What becomes of Zarr and HDF5 volumes of which chunks were never written: ``fill`` takes their fill value, for
    programs leave out chunks in which every voxel has it. Of labels the missing chunks are only told."""
    spacing: Literal["isotropic"] | tuple[Length, Length, Length] | None = None
    """Resample every volume to this distance between voxels along (z, y, x), in micrometres; ``isotropic`` takes each
    volume's smallest. Images linearly, labels by the nearest voxel. The files must say their own."""
    intensities: Literal["stored"] | None = None
    """``stored`` lets volumes of unlike types (8 and 16 bit) pass whose values are on one scale as they are. Not given,
    they are refused unless ``standardise`` makes them comparable."""
    channels: list[Annotated[int, Field(ge=0)]] | None = Field(default=None, min_length=1, exclude_if=is_unset)
    """Keep only these channels, in this order, counted from 0 over all files of a volume and their colours; null: all
    of them."""
    axis: Literal[0, 1, 2] = 0
    """The axis of (z, y, x) along which slices are taken; NIfTI and MetaImage are read as (z, y, x) too."""
    slices: tuple[int, int] | None = None
    """First slice, and the one behind the last, of every volume."""
    standardise: bool = False
    """Subtract each volume's mean and divide by its standard deviation, a channel at a time."""

    def without_labels(self) -> Self:
        """Return the source of the volumes alone."""
        bare: Any = self.volumes
        if isinstance(bare, VolumeFiles):
            bare = bare.model_copy(update={"labels": None})
        elif bare is not None:
            bare = {name: files.model_copy(update={"labels": None}) for name, files in bare.items()}
        return self.model_copy(update={"labels": None, "volumes": bare})

    @model_validator(mode="after")
    def _check_files(self) -> Self:
        if (self.volumes is None) == (self.folders is None):
            raise ValueError("give either volumes: or folders: with images: and labels:")
        if self.folders is not None and self.images is None:
            raise ValueError("folders: needs images: with a file pattern a channel")
        return self
