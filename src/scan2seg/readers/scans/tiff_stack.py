"""TIFF: one image a file (a folder or a pattern), or one file of many pages."""

from pathlib import Path

from scan2seg.config.base import Settings
from scan2seg.readers.scan import Contents

_SUFFIXES = (".tif", ".tiff")


class Params(Settings):
    """The TIFF reader has no options."""


def recognises(path: Path) -> bool:
    """Tell whether the path is a TIFF file, or a folder that holds some and no other kind of scan."""
    if path.is_dir():
        return any(item.suffix.lower() in _SUFFIXES for item in path.iterdir())
    try:
        with path.open("rb") as file:
            return file.read(4) in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
    except OSError:
        return False


def open_frames(paths: list[Path], params: Params) -> Contents:
    """Open the files in natural order of their names; a TIFF series has no flats, darks or angles of its own.

    Raises:
        InputError: a file is unreadable, has several channels, or differs in size or type from the first.
    """
    from scan2seg import logging
    from scan2seg.readers.tiff import number_series, open_series

    if len(paths) == 1 and paths[0].is_dir():
        paths = [item for item in paths[0].iterdir() if item.suffix.lower() in _SUFFIXES]
    frames, close = open_series(paths)
    series = number_series(paths)
    if series is not None:
        left_out = series.length - len(paths)
        logging.warn("%s: %d numbers are missing in this series of %d files", paths[0], left_out, len(paths))
    return Contents(projections=frames, close=close, series=series, details={"files": len(paths)})
