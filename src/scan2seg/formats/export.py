"""The stage: a volume in a file of another format, for other programs."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scan2seg import logging, storage
from scan2seg.config.base import Chosen
from scan2seg.documents import Json
from scan2seg.replacement import replacing

_FACTS = ("units", "orientation", "provenance")


def export_volume(volume: Path, output: Path, form: Chosen) -> None:
    """Write the volume of a store to a file, whole or not at all; memory holds a shard.

    Args:
        volume: Zarr store with ``volume`` (z, y, x).
        output: the file to write.
        form: the format.

    Raises:
        InputError: there is no such volume, or the disk is full.
    """
    array = storage.open_array(volume, "volume")
    attributes: Json = dict(storage.open_store(volume).attrs)
    facts = {name: attributes[name] for name in _FACTS if name in attributes}
    depth, height, width = array.shape
    with replacing(output) as partial:
        pixel_size = attributes.get("pixel_size")
        form.module.write_volume(partial, _slices(array), (depth, height, width), pixel_size, facts, form.parameters)
    logging.info("%s: %d slices of %d x %d", output, depth, height, width)


def _slices(array: Any) -> Iterator[NDArray[np.float32]]:
    places = storage.shards(array)
    for place in logging.progress(places, "export", len(places)):
        yield from np.asarray(array[place], np.float32)
