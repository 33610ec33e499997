"""A picture of the page."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Picture:
    """A picture as a data URI, with words under it."""

    caption: str
    source: str
