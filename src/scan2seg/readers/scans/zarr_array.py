"""Zarr: an array (projections, rows, columns), or a group laid out like Data Exchange."""

from pathlib import Path

from scan2seg.config.base import Settings
from scan2seg.readers.scan import Contents


class Params(Settings):
    """Options of the Zarr reader."""

    data: str | None = None
    """The projections' array in the group; null: ``data``, ``exchange/data``, or the only array."""


def recognises(path: Path) -> bool:
    """Tell whether the path is a Zarr array or group, of version 2 or 3."""
    return path.is_dir() and any((path / name).is_file() for name in ("zarr.json", ".zarray", ".zgroup"))


def open_frames(paths: list[Path], params: Params) -> Contents:
    """Open the store; ``data_white``, ``data_dark``, ``theta`` and the attribute ``pixel_size`` (um) count if present.

    Raises:
        InputError: it is not one readable store with an array of three dimensions.
    """
    from scan2seg.errors import InputError
    from scan2seg.readers.units import attempt, micrometres
    from scan2seg.readers.zarr_frames import frames, numbers, open_arrays

    if len(paths) != 1:
        raise InputError(f"{paths[0]}: one Zarr store is a scan, {len(paths)} match")
    arrays, attributes = open_arrays(paths[0])
    choices = [params.data] if params.data else ["data", "exchange/data", ""]
    name = next((choice for choice in choices if choice in arrays), None)
    if name is None and len(arrays) == 1 and not params.data:
        name = next(iter(arrays))
    if name is None:
        raise InputError(f"{paths[0]}: has no array {choices[0]}, it holds {', '.join(sorted(arrays)) or 'none'}")
    folder = name.rsplit("/", 1)[0] + "/" if "/" in name else ""
    angles, unit = numbers(arrays.get(folder + "theta"))
    size = attributes.get("pixel_size")
    return Contents(
        projections=frames(arrays[name], paths[0]),
        flats=frames(arrays[folder + "data_white"], paths[0]) if folder + "data_white" in arrays else None,
        darks=frames(arrays[folder + "data_dark"], paths[0]) if folder + "data_dark" in arrays else None,
        angles=angles,
        angle_unit=unit,
        pixel_size=None if size is None else attempt(lambda: micrometres(size, "um", str(paths[0]))),
    )
