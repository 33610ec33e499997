"""Readers of raw data: one plugin a file format, one way in for all scans."""

import glob
from pathlib import Path
from typing import Any

import numpy as np

from scan2seg import plugins
from scan2seg.config.base import Settings
from scan2seg.errors import InputError
from scan2seg.readers.angles import angles_from, checked_radians
from scan2seg.readers.scan import Contents, Frames, Scan

KIND = "readers.scans"


def open_scan(source: dict[str, Any] | Path | str) -> Scan:
    """Open a scan: headers and angles only, however large it is.

    ``source`` is a path, or a dictionary with ``projections`` (a path, a folder or a glob) and, where they are not in
    the same file, ``flats``, ``darks`` (the same, or a list of two: taken before and after) and ``angles`` (a range,
    a list or a file, in degrees). ``reader`` names the format; without it every reader is asked.

    Raises:
        InputError: something is missing, unreadable or does not fit together.
    """
    source = {"projections": source} if isinstance(source, str | Path) else source
    paths = _paths(source, "projections")
    closers: list[Any] = []
    try:
        name, contents = _open(paths, source.get("reader"))
        closers.append(contents.close)
        count = contents.projections.shape[0]
        where = str(paths[0])
        flats = _beside(source, "flats", contents.flats, count, closers)
        darks = _beside(source, "darks", contents.darks, count, closers)
        for kind, frames in (("flats", flats), ("darks", darks)):
            if frames is not None and frames.shape[1:] != contents.projections.shape[1:]:
                raise InputError(
                    f"{where}: the {kind} have {frames.shape[1:]} pixels, "
                    f"the projections {contents.projections.shape[1:]}"
                )
        angles, unit = contents.angles, contents.angle_unit
        if source.get("angles") is not None:
            angles, unit = angles_from(source["angles"], count, where)
        return Scan(
            path=paths[0],
            reader=name,
            projections=contents.projections,
            flats=flats,
            darks=darks,
            angles=checked_radians(angles, unit, count, where),
            pixel_size=contents.pixel_size,
            details=contents.details,
            closers=closers,
        )
    except BaseException:
        for close in closers:
            close()
        raise


def check_scan(source: dict[str, Any] | Path | str) -> list[str]:
    """List what is wrong with a scan, from its headers and a few rows; empty when all is well."""
    try:
        with open_scan(source) as scan:
            return _check_samples(scan)
    except InputError as error:
        return [str(error)]


def describe(scan: Scan) -> dict[str, Any]:
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


def _check_samples(scan: Scan) -> list[str]:
    problems = []
    middle = slice(scan.shape[1] // 2, scan.shape[1] // 2 + 1)
    try:
        last = np.asarray(scan.read_projection(scan.shape[0] - 1), np.float64)
        if not np.isfinite(last).any():
            problems.append(f"{scan.path}: the last projection has no finite value")
        if scan.flats is None:
            problems.append(
                f"{scan.path}: has no flat fields. Give flats:, or say already_normalised or already_logarithm: true"
            )
        else:
            flat = scan.read_frames(scan.flats, middle)
            if not np.isfinite(flat).all():
                problems.append(f"{scan.path}: the flat fields hold values that are not finite")
            elif not flat.any():
                problems.append(f"{scan.path}: the flat fields are all zero")
    except InputError as error:
        problems.append(str(error))
    return problems


def _open(paths: list[Path], reader: str | None) -> tuple[str, Contents]:
    if reader is None:
        found = [name for name in plugins.names(KIND) if plugins.load(KIND, name).recognises(paths[0])]
        if not found:
            _check_readable(paths[0])
            raise InputError(
                f"{paths[0]}: no reader recognises it. Name one as reader: {', '.join(plugins.names(KIND))}"
            )
        reader = found[0]
    module = plugins.load(KIND, reader)
    params: Settings = module.Params()
    try:
        contents: Contents = module.open_frames(paths, params)
    except InputError:
        raise
    except Exception as error:  # a damaged file makes libraries raise nearly anything
        raise InputError(
            f"{paths[0]}: cannot be opened by reader {reader}, it may be damaged ({type(error).__name__}: {error})"
        ) from None
    return reader, contents


def _check_readable(path: Path) -> None:
    """Say what is wrong with a file that claims by its suffix to be HDF5 or is empty."""
    if path.is_file() and path.stat().st_size == 0:
        raise InputError(f"{path}: is empty. Copy it again from its source")
    if path.suffix.lower() in (".h5", ".hdf5", ".hdf", ".nxs", ".nx"):
        from scan2seg.readers import hdf5

        hdf5.open_file(path).close()


def _beside(source: dict[str, Any], key: str, inside: Frames | None, count: int, closers: list[Any]) -> Frames | None:
    """Return flats or darks given as files of their own: one series, or one before and one after the scan."""
    value = source.get(key)
    if value is None:
        return inside
    given = value if isinstance(value, list) else [value]
    if len(given) > 2:
        raise InputError(f"{key}: write one path, or two: taken before and after the scan; {len(given)} are given")
    series = []
    for item in given:
        contents = _open(_paths({key: item}, key), None)[1]
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


def _paths(source: dict[str, Any], key: str) -> list[Path]:
    value = source.get(key)
    if not isinstance(value, str | Path):
        raise InputError(f"{key}: write a path or a pattern, not {value!r}")
    path = Path(value)
    if path.exists():
        return [path]
    if not glob.has_magic(str(value)):
        raise InputError(f"{key}: {value}: there is no such file")
    found = sorted(Path(name) for name in glob.glob(str(value), recursive=True))
    if not found:
        raise InputError(f"{key}: {value}: the pattern matches nothing")
    return found
