"""Any HDF5 file, by the paths of its datasets; never chosen unasked, see ``paths:`` of a scan."""

from pathlib import Path

from scan2seg.config.scan_files import DatasetPaths as Params
from scan2seg.readers.scan import Contents


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


def companions(path: Path) -> list[Path]:
    """Return the files that links and virtual datasets of this one lead to."""
    from scan2seg.readers.hdf5_storage import linked_files

    return linked_files(path)
