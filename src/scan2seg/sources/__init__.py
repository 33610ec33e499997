"""The sources of a stack: each lists its images, reads one at a time, and knows nothing of what follows.

A source is a module with ``list_items(source, scans) -> list[Item]``: the resolved source of the dataset file, and
the volumes and labels of its scans.
"""

import importlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from glob import glob, has_magic
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scan2seg.config.source import ScanVolume, StackSource
from scan2seg.errors import InputError, refuse_pipe
from scan2seg.spacing import Spacing

_COLOURS = 3
_NUMBER = re.compile(r"(\d+)")


@dataclass(frozen=True)
class Item:
    """One image of a stack before it is read."""

    name: str
    """Unique within the dataset."""
    group: str
    """The volume or patient that it comes from; its own name for single images."""
    part: str | None
    """train, validation or test, where the source's folders say so."""
    size: tuple[int, int]
    """Height and width."""
    read: Callable[[], NDArray[np.float32]]
    """Reads the image as (channel, y, x)."""
    read_label: Callable[[], NDArray[Any]] | None
    """Reads the raw label (y, x) or (y, x, 3), before values become classes."""
    pixel_size: float | None = None
    """Edge of a pixel in micrometres, where the file says it."""
    pixel_scale: float = 1.0
    """What the edge is multiplied by because the image is resized; 2 where half as many pixels are left."""
    finish: Callable[[NDArray[np.float32]], NDArray[np.float32]] | None = None
    """Changes what was read by what the whole volume tells, which is read for it at the first use."""
    channels: int | None = None
    """The number of channels, where it is known without reading."""
    cropped: bool = False
    """What is read is larger than ``size``, and the part with most foreground is to be cut from it."""
    spacing: Spacing | None = None
    """Micrometres from slice to slice, row to row and column to column of its volume, where the file says them."""


def list_items(source: StackSource, scans: Mapping[str, ScanVolume]) -> list[Item]:
    """List the images of a source through the module of its kind; a simulation's are scans like any other.

    Raises:
        InputError: files are missing, unreadable, or do not belong together.
    """
    if _listed is None:
        return list(_module(source).list_items(source, scans))
    named = {name: volume.model_dump() for name, volume in scans.items()}
    key = json.dumps([source.model_dump(mode="json"), named], sort_keys=True)
    if key not in _listed:
        _listed[key] = list(_module(source).list_items(source, scans))
    return _listed[key]


def list_once() -> None:
    """Read the headers of each source once from now on, in a process that changes no file: checks ask several times."""
    global _listed
    _listed = {}


_listed: dict[str, list[Item]] | None = None


def _module(source: StackSource) -> ModuleType:
    kind = {"simulation": "scan"}.get(source.kind, source.kind)
    return importlib.import_module(f"scan2seg.sources.{kind}")


def read_item(
    item: Item, channels: int, kind: str = "images", others: str = "other images have"
) -> NDArray[np.float32]:
    """Read an image (c, y, x) as networks see it; grey stands for a colour, but for no other channels.

    Args:
        item: the image.
        channels: that are wanted.
        kind: of the source that they are those of; three of images are colours, of volumes they may be anything.
        others: who has them, for the message.

    Raises:
        InputError: it is unreadable, has other channels, or values that are not finite.
    """
    pixels = item.read() if item.finish is None else item.finish(item.read())
    if not np.isfinite(pixels).all():
        raise InputError(f"{item.name}: holds values that are not finite; repair the image first")
    if pixels.shape[0] == 1 and channels == _COLOURS and kind == "images":
        pixels = np.repeat(pixels, channels, axis=0)
    if pixels.shape[0] != channels:
        raise InputError(f"{item.name}: has {pixels.shape[0]} channels, {others} {channels}")
    return pixels


def input_paths(source: StackSource, scans: Mapping[str, ScanVolume]) -> list[Path]:
    """List the files and stores that a stack is made of."""
    if scans:
        return [Path(path) for files in scans.values() for path in (files.volume, files.labels) if path]
    return [Path(path) for path in _module(source).input_files(source)]


def find_files(pattern: str, key: str) -> list[Path]:
    """List the files that a pattern matches, in natural order of their names; ``*.tif`` matches ``A.TIF`` too.

    Raises:
        InputError: it matches nothing, or a pipe or a device, which readers would wait for.
    """
    found = sorted((Path(name) for name in glob(_any_case(pattern), recursive=True)), key=natural_key)
    if not found:
        raise InputError(f"{key}: nothing matches '{pattern}'; correct the path (relative to the YAML file)")
    for path in found:
        refuse_pipe(path, key)
    return found


def _any_case(pattern: str) -> str:
    """Let the suffix of a pattern match in upper and lower case; a path without wildcards is meant as it is."""
    suffix = Path(pattern).suffix
    if not has_magic(pattern) or not suffix[1:].isalnum():
        return pattern
    letters = (f"[{letter.lower()}{letter.upper()}]" if letter.isalpha() else letter for letter in suffix)
    return pattern[: -len(suffix)] + "".join(letters)


def natural_key(path: Path) -> list[tuple[int, int, str]]:
    """Sort key in which slice_2 stands before slice_10."""
    parts = _NUMBER.split(str(path))
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts]
