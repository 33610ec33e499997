"""Pictures to walk through: test images with the labels of any two models, slices of a volume with its labels.

Every picture travels inside the page. As many frames are taken as a budget of bytes holds, evenly spread, so that a
page of 200 models stays as small as one of three.
"""

import io
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray
from PIL import Image

from scan2seg.places import evenly
from scan2seg.reporting.charts import data_uri
from scan2seg.reporting.panels import Colour

BUDGET = 6_000_000
"""Bytes of all pictures that the viewers of a page may take together."""
MOST_PICTURES = 2000
"""A viewer holds at most this many pictures of labels, for they take time to draw."""
LONGEST_SIDE = 256
"""Pixels of the longer side; larger pictures are shrunk."""
LARGEST_PNG = 20_000
"""A grey picture that takes more bytes than this is kept as JPEG: noise cannot be packed without loss."""


@dataclass(frozen=True)
class Frame:
    """One step of a walk as data URIs: a picture for each ground, labels for each layer."""

    name: str
    grounds: list[str]
    layers: list[str]
    notes: list[str]

    @property
    def size(self) -> int:
        """Bytes that the frame takes in the page."""
        return sum(len(uri) for uri in [*self.grounds, *self.layers])


@dataclass(frozen=True)
class Option:
    """What a pane can show: a ground and, over it, a layer of labels (None for the ground alone)."""

    name: str
    ground: int
    layer: int | None


@dataclass(frozen=True)
class Viewer:
    """A walk through frames in one or two panes; ``panes`` are the options that stand there first."""

    anchor: str
    unit: str
    frames: list[Frame]
    options: list[Option]
    panes: list[int]
    caption: str

    @property
    def start(self) -> int:
        """The middle frame: the one on paper and without JavaScript."""
        return len(self.frames) // 2

    @property
    def json(self) -> Markup:
        """The frames and options for the script of the page; no text in it can end the element that it stands in."""
        content = {"frames": [asdict(frame) for frame in self.frames], "options": [asdict(one) for one in self.options]}
        return Markup(json.dumps(content, separators=(",", ":")).replace("<", "\\u003c"))


def build_viewer(
    anchor: str,
    unit: str,
    total: int,
    draw: Callable[[int], Frame],
    options: list[Option],
    panes: list[int],
    budget: int,
) -> Viewer:
    """Draw as many of all frames as the budget holds, by the size of the middle one.

    Args:
        anchor: the id of the viewer in the page.
        unit: what a frame is: "image" or "slice".
        total: how many frames there are.
        draw: returns one of them.
        options: what a pane can show.
        panes: places in options that the panes show first.
        budget: bytes.
    """
    middle = total // 2
    first = draw(middle)
    most = min(budget // max(first.size, 1), MOST_PICTURES // max(len(first.layers), 1))
    chosen = evenly(total, max(1, most))
    frames = [first if place == middle else draw(place) for place in chosen]
    left = f"{len(chosen)} of {total} {unit}s, evenly spread" if len(chosen) < total else f"All {total} {unit}s"
    left = f"The only {unit}" if total == 1 else left
    caption = f"{left}, at most {LONGEST_SIDE} pixels wide."
    return Viewer(anchor, unit, frames, options, panes, caption)


def ground_uri(pixels: NDArray[np.uint8]) -> str:
    """Return grey (y, x) or colour (y, x, 3) pixels as a data URI, shrunk; PNG, or JPEG where that is much smaller."""
    picture = Image.fromarray(pixels)
    picture.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.BOX)
    png = _encode(picture, "PNG")
    if len(png) <= LARGEST_PNG:
        return data_uri(png)
    return data_uri(_encode(picture, "JPEG", quality=82), "jpeg")


def layer_uri(labels: NDArray[Any], colours: Sequence[Colour]) -> str:
    """Return labels (y, x) as a palette PNG data URI, shrunk without new values; labels beyond the colours are grey."""
    palette = np.full((256, 3), 150, dtype=np.uint8)
    palette[: len(colours)] = colours
    step = max(1, -(-max(labels.shape) // LONGEST_SIDE))
    picture = Image.fromarray(np.ascontiguousarray(labels[::step, ::step]).astype(np.uint8))
    picture.putpalette(palette.tobytes())
    return data_uri(_encode(picture, "PNG", optimize=True))


def _encode(picture: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()
