"""Where the tiles of an image lie: as few as the overlap allows, evenly spread, and no larger than they need to be."""

import bisect
import math
from dataclasses import dataclass
from functools import lru_cache

STRETCH = 1.25
"""A tile may be so many times as long as asked where fewer of them compute fewer pixels: so that an image a little
larger than a tile is taken whole, and a network never sees much more around a pixel than in training."""


@dataclass(frozen=True)
class Axis:
    """The tiles along one axis of an image."""

    tile: int
    """The length of each in pixels, at most that of the image."""
    seen: int
    """How many pixels the network is given of each: more than its length where the image is mirrored beyond its end."""
    starts: tuple[int, ...]
    """Where they start, ascending; the first at 0, the last one ends with the image."""


@lru_cache(maxsize=1024)
def fit_axis(length: int, tile: int, overlap: float, stride: int = 1, stretch: float = STRETCH, least: int = 1) -> Axis:
    """Return the tiles along one axis that cover it with the fewest pixels, with no more tiles than of that length.

    Neighbours overlap by at least the share that is asked for. A single tile is the image itself; several are as
    short as their number allows. None is longer than asked but by ``stretch``.

    Args:
        length: of the image in pixels.
        tile: the length of a tile that is asked for.
        overlap: share of a tile that it has in common with the next one, below 1.
        stride: the network computes multiples of so many pixels, and pads what is not one.
        stretch: how many times as long as asked a tile may be, at least 1.
        least: so many pixels is the network given of an image that is one tile, for so many had a patch in training.
    """
    asked = _round_up(tile, stride)
    sizes = range(stride, max(asked, math.floor(asked * stretch)) + 1, stride)
    fewest, most = (count_tiles(length, size, overlap) for size in (sizes[-1], asked))
    found = []
    for count in range(fewest, most + 1):
        size = sizes[bisect.bisect_left(sizes, -count, key=lambda size: -count_tiles(length, size, overlap))]
        # of equal numbers of pixels the size nearest to that of training
        found.append((count * size, abs(size - asked), count, size))
    *_, count, size = min(found)
    if count == 1:
        return Axis(length, max(length, least), (0,))
    return Axis(size, size, tuple(round(index * (length - size) / (count - 1)) for index in range(count)))


def count_tiles(length: int, tile: int, overlap: float) -> int:
    """Return the least number of tiles of one size that cover an axis and overlap by that share."""
    return 1 + max(0, math.ceil((length - tile) / max(1, round(tile * (1 - overlap)))))


def _round_up(length: int, stride: int) -> int:
    return -(-length // stride) * stride
