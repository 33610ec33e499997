"""Readers of raw data: one plugin a file format, one way in for all scans."""

import glob
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from scan2seg import plugins
from scan2seg.config.scan_files import DatasetPaths, RawScan
from scan2seg.documents import Json
from scan2seg.errors import InputError, explain_surroundings, refuse_pipe
from scan2seg.readers.angles import GivenAngles, angles_from, checked_radians, match_angles
from scan2seg.readers.scan import Contents, Frames, Scan

KIND = "readers.scans"


def open_scan(source: RawScan | Path | str) -> Scan:
    """Open a scan: headers and angles only, however large it is.

    ``source`` is a path, or the scan's files with what stands in for what they say; without a reader's name every one
    is asked.

    Raises:
        InputError: something is missing, unreadable, never written, or does not fit together.
    """
    source = source if isinstance(source, RawScan) else RawScan(projections=str(source))
    paths = _paths(source.projections, "projections")
    closers: list[Any] = []
    try:
        name, contents = _open(paths, source.reader, source.paths)
        closers.append(contents.close)
        count = contents.projections.shape[0]
        flats = _beside(source.flats, "flats", contents.flats, count, closers)
        darks = _beside(source.darks, "darks", contents.darks, count, closers)
        for kind, frames in (("flats", flats), ("darks", darks)):
            if frames is not None and frames.shape[1:] != contents.projections.shape[1:]:
                raise InputError(
                    f"{paths[0]}: the {kind} have {frames.shape[1:]} pixels, "
                    f"the projections {contents.projections.shape[1:]}"
                )
        return Scan(
            path=paths[0],
            reader=name,
            projections=contents.projections,
            flats=flats,
            darks=darks,
            angles=_angles(source.angles, contents, str(paths[0])),
            pixel_size=source.pixel_size or _or_raise(contents.pixel_size),
            details=contents.details,
            closers=closers,
        )
    except BaseException:
        for close in closers:
            close()
        raise


def _angles(given: GivenAngles | None, contents: Contents, where: str) -> NDArray[np.float64]:
    """Return the angle of each projection in radians: of the settings where they give any, else of the file."""
    count = contents.projections.shape[0]
    if given is None:
        angles, unit = _or_raise(contents.angles), contents.angle_unit
    else:
        angles, unit = angles_from(given, count, where, contents.series)
    if angles is not None:
        angles = match_angles(angles, count, contents.series, where)
    return checked_radians(angles, unit, count, where)


Value = TypeVar("Value")


def _or_raise(value: Value | InputError) -> Value:
    if isinstance(value, InputError):
        raise value
    return value


def describe(scan: Scan) -> Json:
    """Say what a scan holds and what it lacks, JSON-able, for ``scan2seg inspect``."""
    degrees = np.rad2deg(scan.angles)
    missing = [name for name, value in (("flats", scan.flats), ("darks", scan.darks)) if value is None]
    if scan.pixel_size is None:
        missing.append("pixel size")
    return {
        "kind": "scan",
        "file": str(scan.path),
        "reader": scan.reader,
        "projections": scan.shape[0],
        "rows": scan.shape[1],
        "columns": scan.shape[2],
        "angles": f"{degrees[0]:.4g} to {degrees[-1]:.4g} degrees",
        "flats": scan.flats.shape[0] if scan.flats else 0,
        "darks": scan.darks.shape[0] if scan.darks else 0,
        "pixel_size": scan.pixel_size,
        "missing": missing,
        **scan.details,
    }


def _open(paths: list[Path], reader: str | None, datasets: DatasetPaths | None = None) -> tuple[str, Contents]:
    refuse_pipe(paths[0])
    if datasets:
        reader = "hdf5"
    if reader is None:
        found = [name for name in plugins.names(KIND) if plugins.load(KIND, name).recognises(paths[0])]
        if not found:
            _check_readable(paths[0])
            raise InputError(
                f"{paths[0]}: no reader recognises it. Name one as reader: {', '.join(plugins.names(KIND))}; or, of an "
                "HDF5 file, its datasets as paths: {data:, flats:, darks:, angles:} or {data:, image_key:, angles:}"
            )
        reader = found[0]
    module = plugins.load(KIND, reader)
    try:
        contents: Contents = module.open_frames(paths, datasets or module.Params())
    except InputError:
        raise
    except ValidationError:
        raise InputError(f"{paths[0]}: reader {reader} needs paths: {{data:, ...}}, the datasets in the file") from None
    except Exception as error:  # a damaged file makes libraries raise nearly anything
        reason = f"cannot be opened by reader {reader}, it may be damaged ({type(error).__name__}: {error})"
        raise InputError(explain_surroundings(paths[0], error) or f"{paths[0]}: {reason}") from None
    return reader, contents


def _check_readable(path: Path) -> None:
    """Say what is wrong with a file that claims by its suffix to be HDF5 or is empty."""
    if path.is_file() and path.stat().st_size == 0:
        raise InputError(f"{path}: is empty. Copy it again from its source")
    if path.suffix.lower() in (".h5", ".hdf5", ".hdf", ".nxs", ".nx"):
        from scan2seg.readers import hdf5

        hdf5.open_file(path).close()


def _beside(
    given: str | list[str] | None, key: str, inside: Frames | None, count: int, closers: list[Any]
) -> Frames | None:
    """Return flats or darks given as files of their own: one series, or one before and one after the scan."""
    if given is None:
        return inside
    series = []
    for item in given if isinstance(given, list) else [given]:
        contents = _open(_paths(item, key), None)[1]
        closers.append(contents.close)
        series.append(contents.projections)
    if len(series) == 1:
        return series[0]
    return _joined(series[0], series[1], count, key)


def _joined(before: Frames, after: Frames, count: int, key: str) -> Frames:
    if before.shape[1:] != after.shape[1:]:
        raise InputError(f"{key}: those before are {before.shape[1:]} pixels, those after {after.shape[1:]}")

    def read(images: Any, rows: slice) -> Any:
        both = [part.read(slice(0, part.shape[0]), rows) for part in (before, after)]
        return np.concatenate(both)[images]

    positions = np.concatenate([np.full(before.shape[0], -1.0), np.full(after.shape[0], float(count))])
    return Frames((len(positions), *before.shape[1:]), read, positions, before.rows_per_read)


def _paths(pattern: str, key: str) -> list[Path]:
    path = Path(pattern)
    if path.exists():
        return [path]
    if not glob.has_magic(pattern):
        raise InputError(f"{key}: {pattern}: there is no such file")
    found = sorted(Path(name) for name in glob.glob(pattern, recursive=True))
    if not found:
        raise InputError(f"{key}: {pattern}: the pattern matches nothing")
    return found
