"""Any HDF5 file, by the paths of its datasets; never chosen unasked, see ``paths:`` of a scan."""

from pathlib import Path

from pydantic import model_validator

from scan2seg.config.base import Settings
from scan2seg.readers.scan import Contents


class Params(Settings):
    """Paths of datasets in the HDF5 file; only ``data`` is needed."""

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
    """Pixel size at the sample, with its unit as an attribute."""

    @model_validator(mode="after")
    def _check(self) -> "Params":
        if self.image_key and (self.flats or self.darks):
            raise ValueError("image_key says which images are flats and darks; leave out flats and darks, or image_key")
        return self


def recognises(path: Path) -> bool:
    """Recognise nothing: without paths there is no telling which dataset is what."""
    return False


def open_frames(paths: list[Path], params: Params) -> Contents:
    """Open the datasets.

    Raises:
        InputError: a path names no dataset of the right kind, or one that was never written.
    """
    from scan2seg.errors import InputError
    from scan2seg.readers import hdf5
    from scan2seg.readers.units import attempt

    file = hdf5.open_file(hdf5.single(paths))
    with hdf5.closing_on_error(file):
        if params.image_key:
            parts = hdf5.by_image_key(file, params.data, params.image_key)
        else:
            parts = {"projections": hdf5.frames(file, params.data)}
            for key, name in (("flats", params.flats), ("darks", params.darks)):
                if name:
                    parts[key] = hdf5.optional_frames(file, name)
                    if parts[key] is None:
                        raise InputError(f"{file.filename}: has no {key} at /{name.strip('/')}, or they are empty")
        angles, unit = hdf5.angles(file, params.angles) if params.angles else (None, "")
        if params.angles and angles is None:
            raise InputError(f"{file.filename}: has no angles at /{params.angles.strip('/')}")
        size = params.pixel_size
        return Contents(
            **parts,
            angles=angles,
            angle_unit=unit,
            pixel_size=attempt(lambda: hdf5.length(file, size)) if size else None,
            close=file.close,
            details=hdf5.describe(file, params.data),
        )
