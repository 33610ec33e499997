"""What a raw scan is, whatever its file: projections, flats, darks and angles, all read when asked for."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scan2seg.errors import InputError

Selection = slice | NDArray[np.intp]


def _computable(values: NDArray[Any]) -> NDArray[Any]:
    """Return values of a type that compiled code takes: half and extended precision are rare in it."""
    wider: dict[int, type] = {2: np.float32, 16: np.float64}
    size = values.dtype.itemsize
    return values.astype(wider[size]) if values.dtype.kind == "f" and size in wider else values


def _nothing() -> None:
    return None


@dataclass(frozen=True)
class Frames:
    """A series of images on disk: shape (images, rows, columns) and how to read a part of it."""

    shape: tuple[int, int, int]
    read: Callable[[Selection, slice], NDArray[Any]]
    """``read(images, rows)`` returns (images, rows, columns) in the file's own type."""
    positions: NDArray[np.float64] | None = None
    """For flats and darks: when each was taken, counted in projections; -1 is before the first. None: unknown."""
    rows_per_read: int = 1
    """Reading fewer rows at once than this costs the same: a compressed chunk, or a TIFF page."""

    def select(self, keep: NDArray[np.intp], positions: NDArray[np.float64] | None = None) -> "Frames":
        """Return some of the images as a series of their own."""

        def read(images: Selection, rows: slice) -> NDArray[Any]:
            return self.read(keep[images], rows)

        return Frames((len(keep), *self.shape[1:]), read, positions, self.rows_per_read)


@dataclass(frozen=True)
class Series:
    """The series that projections were taken in: which of its images they are, for angles that count them all."""

    places: NDArray[np.intp]
    """(projections,): the place of each, from 0."""
    length: int
    skipped: bool = False
    """The others are projections that were left out, at angles of their own; otherwise they are flats and darks."""


@dataclass
class Contents:
    """What a reader found in its files."""

    projections: Frames
    flats: Frames | None = None
    darks: Frames | None = None
    angles: NDArray[np.float64] | InputError | None = None
    """As the file gives them, one a projection or one an image of the series; an error matters only where the
    settings give no others."""
    angle_unit: str | None = None
    """As the file spells it; None or empty where it does not say."""
    series: Series | None = None
    """Where the projections stand, if there are more images or numbers than projections."""
    pixel_size: float | InputError | None = None
    """In micrometres, at the sample; an error matters only where the settings give no other."""
    close: Callable[[], None] = _nothing
    details: dict[str, Any] = field(default_factory=dict)
    """Further facts for ``scan2seg inspect``, JSON-able."""


@dataclass
class Scan:
    """An open scan; a context manager. Nothing but headers and angles is in memory."""

    path: Path
    reader: str
    projections: Frames
    flats: Frames | None
    darks: Frames | None
    angles: NDArray[np.float64]
    """(projections,) in radians."""
    pixel_size: float | None
    """In micrometres, at the sample."""
    details: dict[str, Any]
    closers: list[Callable[[], None]]
    places: NDArray[np.intp] | None = None
    """(projections,): which of the scan's projections these are, from 0; None for all of them."""

    @property
    def moments(self) -> NDArray[np.float64]:
        """When each projection was taken, counted in projections, as the positions of flats are."""
        return np.asarray(np.arange(self.shape[0]) if self.places is None else self.places, np.float64)

    def take(self, places: NDArray[np.intp]) -> "Scan":
        """Return the scan with these projections alone, in this order; flats keep their moments."""
        return replace(self, projections=self.projections.select(places), angles=self.angles[places], places=places)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(projections, rows, columns)."""
        return self.projections.shape

    def read_rows(self, start: int, stop: int) -> NDArray[Any]:
        """Read detector rows of all projections: (projections, rows, columns), in the file's type or the next wider.

        Raises:
            InputError: the file is truncated or damaged.
        """
        return self._read(self.projections, slice(0, self.shape[0]), slice(start, stop))

    def read_images(self, images: slice, rows: slice) -> NDArray[Any]:
        """Read rows of some projections: (images, rows, columns).

        Raises:
            InputError: the file is truncated or damaged.
        """
        return self._read(self.projections, images, rows)

    def read_projection(self, index: int, rows: slice | None = None) -> NDArray[Any]:
        """Read one projection, or some rows of it: (rows, columns)."""
        return np.asarray(self._read(self.projections, slice(index, index + 1), rows or slice(0, self.shape[1]))[0])

    def read_frames(self, frames: Frames, rows: slice) -> NDArray[np.float32]:
        """Read rows of all flats or darks as float32: (images, rows, columns)."""
        return self._read(frames, slice(0, frames.shape[0]), rows).astype(np.float32)

    def _read(self, frames: Frames, images: Selection, rows: slice) -> NDArray[Any]:
        try:
            return _computable(frames.read(images, rows))
        except InputError:
            raise
        except Exception as error:  # a damaged file makes libraries raise nearly anything
            raise InputError(
                f"{self.path}: cannot be read at rows {rows.start} to {rows.stop}: the file is truncated or damaged "
                f"({type(error).__name__}: {error}). Copy it again from its source"
            ) from None

    def close(self) -> None:
        """Close all files."""
        for close in self.closers:
            close()

    def __enter__(self) -> "Scan":
        """Return the scan itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close all files."""
        self.close()
