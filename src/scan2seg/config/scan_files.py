"""The files of a raw scan, and where in them its parts are."""

from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from scan2seg.config.base import FilePath, Settings, resolve_path
from scan2seg.config.reconstruction import AngleRange, Angles

Series = FilePath | Annotated[list[FilePath], Field(min_length=1, max_length=2)]
"""One file, folder or pattern, or two: taken before the scan and after it."""


class DatasetPaths(Settings):
    """Where an HDF5 file of any layout keeps its parts; only ``data`` is needed."""

    data: str
    """Projections (images, rows, columns); with ``image_key`` flats and darks are among them."""
    image_key: str | None = None
    """One number an image: 0 projection, 1 flat, 2 dark, 3 leave out."""
    angles: str | None = None
    """Rotation angles, one a projection or one an image."""
    flats: str | None = None
    """Flat fields, where they are not among the images."""
    darks: str | None = None
    """Dark fields, where they are not among the images."""
    pixel_size: str | None = None
    """Pixel size at the sample; its unit is the dataset's attribute ``units``."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.image_key and (self.flats or self.darks):
            raise ValueError("image_key says which images are flats and darks; leave out flats and darks, or image_key")
        return self


class ScanParts(Settings):
    """What belongs to the projections of a scan."""

    flats: Series | None = None
    """Flat fields, where they are not in the same file: a file or pattern, or two: before and after the scan."""
    darks: Series | None = None
    """Dark fields, where they are not in the same file: a file or pattern, or two: before and after the scan."""
    angles: Angles | None = None
    """Angles in degrees, where the scan has none or others: a range, a list, or a text, NumPy or CSV file with one a
    line. They come before ``reconstruction: {angles:}`` of all scans."""
    reader: str | None = None
    """The reader's name; found from the file when not given."""
    paths: DatasetPaths | None = None
    """The datasets of an HDF5 file whose layout no reader knows."""
    labels: FilePath | None = None
    """The label volume of the reconstruction, where there is one."""
    labels_key: str | None = None
    """Name of the array in the label file."""


class ScanFiles(ScanParts):
    """The files of one scan."""

    projections: FilePath
    """The raw projections: a file, a folder, or a pattern of files."""
    reconstruction: dict[str, Any] = {}
    """Settings of the reconstruction that differ for this scan."""

    @field_validator("reconstruction")
    @classmethod
    def _resolve_angles(cls, value: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        angles = value.get("angles")
        return {**value, "angles": resolve_path(angles, info)} if isinstance(angles, str) else value


Paths = str | Annotated[list[str], Field(min_length=1, max_length=2)]
"""As ``Series``, as seen from the working folder."""


class RawScan(Settings):
    """What a reader is told of a scan: its files as seen from the working folder, and what stands in for their say."""

    projections: str
    """A file, a folder, or a pattern of files."""
    flats: Paths | None = None
    """Flat fields, where they are not in the same file; two: before and after the scan."""
    darks: Paths | None = None
    """Dark fields, alike."""
    angles: AngleRange | list[float] | str | None = None
    """Angles in degrees, or a file of them, instead of the file's."""
    reader: str | None = None
    """The reader's name; without it every reader is asked."""
    paths: DatasetPaths | None = None
    """The datasets of an HDF5 file of any layout."""
    pixel_size: float | None = None
    """In micrometres, instead of the file's."""

    @field_validator("projections", "flats", "darks", "angles", mode="before")
    @classmethod
    def _take_paths(cls, value: Any) -> Any:
        if isinstance(value, list):
            return [str(item) if isinstance(item, Path) else item for item in value]
        return str(value) if isinstance(value, Path) else value

    def content(self) -> dict[str, Any]:
        """Return what is given as plain JSON."""
        return {key: value for key, value in self.model_dump(mode="json").items() if value is not None}

    def patterns(self) -> dict[str, list[str]]:
        """Return the paths and patterns of its files, by key; angles that are numbers have none."""
        given = {key: getattr(self, key) for key in ("projections", "flats", "darks", "angles")}
        listed = {key: value if isinstance(value, list) else [value] for key, value in given.items()}
        texts = {key: [item for item in value if isinstance(item, str)] for key, value in listed.items()}
        return {key: value for key, value in texts.items() if value}
