"""Zeiss Xradia ``.txrm`` and ``.xrm``: an OLE container with one stream an image, and flats if any."""

from pathlib import Path

from scan2seg.config.base import Settings
from scan2seg.readers.scan import Contents


class Params(Settings):
    """The Xradia reader has no options."""


def recognises(path: Path) -> bool:
    """Tell whether the file is an OLE container."""
    try:
        with path.open("rb") as file:
            return file.read(8) == b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
    except OSError:
        return False


def open_frames(paths: list[Path], params: Params) -> Contents:
    """Open the file; angles are in degrees, the pixel size is in micrometres, there are no darks.

    Raises:
        InputError: it is unreadable, or lacks images or their size.
    """
    from scan2seg.errors import InputError
    from scan2seg.readers.ole import open_container

    if len(paths) != 1:
        raise InputError(f"{paths[0]}: one Xradia file is a scan, {len(paths)} files match")
    return open_container(paths[0])
