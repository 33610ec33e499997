"""Which images belong together: of one patient, sample or volume."""

from typing import Annotated

from pydantic import AfterValidator

from scan2seg.config.base import FilePath, Settings

FOLDER = "folder"
PLACE = "{group}"


class GroupTable(Settings):
    """A table (CSV) with a row an image that names its group."""

    file: FilePath
    """The CSV file, with a line of column names; separated by commas, semicolons or tabs."""
    image: str = "image"
    """The column with the image's file name, with or without suffix, and with folders where names repeat."""
    group: str = "group"
    """The column with the group."""


def _check_pattern(value: str) -> str:
    if value != FOLDER and value.count(PLACE) != 1:
        raise ValueError(
            f"write folder (an image's folder is its group), or a pattern with one {PLACE} such as '{PLACE}_*' "
            f"or '{PLACE}/images/*', or file: with a table"
        )
    return value


Groups = Annotated[str, AfterValidator(_check_pattern)] | GroupTable
"""``folder``, a pattern of the path's end, or a table."""
