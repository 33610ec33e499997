"""NIfTI volumes; the file's (x, y, z) becomes (z, y, x).

A fourth axis, or colours, become channels: the Medical Segmentation Decathlon gives its sequences out so.
Header: nifti.nimh.nih.gov/nifti-1/documentation/nifti1fields.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scan2seg.config.base import Settings
from scan2seg.errors import InputError
from scan2seg.readers.units import micrometres_of
from scan2seg.readers.volumes import Volume
from scan2seg.readers.volumes.whole import read_whole
from scan2seg.spacing import Spacing

SUFFIXES = (".nii", ".nii.gz")
MOST_CHANNELS = 16
"""A longer fourth axis is time."""


class Params(Settings):
    """Settings of the reader."""

    key: str | None = None
    """Not used: a NIfTI file holds one array."""


def open_volume(path: Path, params: Params) -> Volume:
    """Open an image (x, y, z) or (x, y, z, channel); scaling of the header is applied. ``.gz`` is read whole."""
    import nibabel
    from nibabel.volumeutils import apply_read_scaling

    image: Any = nibabel.load(path)
    data = image.dataobj
    shape, channels = _shape(image.shape, path)
    colours = [name for name in data.dtype.names or () if name in ("R", "G", "B")]
    if colours and channels > 1:
        raise InputError(f"{path}: has colours and a fourth axis; give one file a channel")

    def unscaled() -> Any:
        if not path.name.lower().endswith(".gz"):
            return None
        return read_whole(path, lambda: _unpack(path, image))

    def plane(axis: int, index: int) -> NDArray[Any]:
        whole = unscaled()
        place: list[Any] = [slice(None)] * 3 + [slice(None) if length > 1 else 0 for length in image.shape[3:]]
        place[2 - axis] = index
        cut = data[tuple(place)] if whole is None else apply_read_scaling(whole[tuple(place)], data.slope, data.inter)
        if colours:
            return np.stack([cut[name].T for name in colours], axis=-1)
        return np.asarray(cut).swapaxes(0, 1)

    dtype = data.dtype[0] if colours else data.dtype
    return Volume(shape, dtype, plane, _spacing(path, image.header), len(colours) or channels, _orientation(image))


def _unpack(path: Path, image: Any) -> NDArray[Any]:
    """Return the values of a packed file, read to its end: only there the checksum of gzip is verified."""
    import gzip

    with gzip.open(path) as file:
        content = file.read()
    unpacked: NDArray[Any] = type(image).from_bytes(content).dataobj.get_unscaled()
    return unpacked


def _shape(lengths: tuple[int, ...], path: Path) -> tuple[tuple[int, int, int], int]:
    """Return (z, y, x) and the number of channels; further axes of length 1 count for nothing."""
    long = [int(length) for length in lengths[3:] if length > 1]
    if len(lengths) < 3 or len(long) > 1 or (long and long[0] > MOST_CHANNELS):
        advice = f"(x, y, z) is read, and (x, y, z, channel) of up to {MOST_CHANNELS} channels"
        raise InputError(f"{path}: has shape {tuple(map(int, lengths))}; {advice}. Cut a time series into files")
    x, y, z = (int(length) for length in lengths[:3])
    return (z, y, x), long[0] if long else 1


def _spacing(path: Path, header: Any) -> Spacing | None:
    """Return the voxel size. Without a unit it is in millimetres, as in every program, but 1 x 1 x 1 says nothing."""
    from nibabel.openers import ImageOpener

    with ImageOpener(str(path)) as file:
        # nibabel has made 0 a 1 and taken signs away
        raw = type(header).from_fileobj(file, check=False)
    x, y, z = (float(length) for length in raw["pixdim"][1:4])
    unit = header.get_xyzt_units()[0]
    if unit == "unknown" and (x, y, z) == (1, 1, 1):
        return None
    factor = micrometres_of({"unknown": "mm", "micron": "um", "meter": "m"}.get(unit, unit)) or 1e3
    # the header is single precision: 0.8 stands there as 0.800000011920929
    sizes = [float(f"{length * factor:.7g}") for length in (z, y, x)]
    return sizes[0], sizes[1], sizes[2]


def _orientation(image: Any) -> str | None:
    import nibabel

    if not (int(image.header["sform_code"]) or int(image.header["qform_code"])):
        return None
    return "".join(code or "?" for code in nibabel.aff2axcodes(image.affine))
