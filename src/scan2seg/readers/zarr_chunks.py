"""Chunks of a Zarr array that were never written, or are gone: the array reads as if they held the fill value.

Programs that leave chunks out where all values are the fill value (zarr-python's default) cannot be told from those
that lost them. So whoever reads the array decides: an image is refused, for detectors and reconstructions seldom give
a block of exact zeros, unless the user says that its chunks are left out on purpose; of labels, whose background often
fills blocks, it is said how many are missing. Our own stores hold every chunk.
"""

import os
from itertools import product
from math import ceil, prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_EMPTY = 2**64 - 1
"""Offset and length of an absent chunk in the index of a shard (Zarr's specification of the sharding codec)."""


def find_gaps(array: Any, path: Path | str) -> str | None:
    """Say how many chunks of a Zarr array on a local disk are missing, and where along its first axis.

    Only names of files and the indices of shards are read. Returns None where all chunks are there, or where the
    store is none of files.
    """
    folder = _folder(array)
    if folder is None:
        return None
    shards = array.shards or array.chunks
    stored = _stored(folder)
    grid = [ceil(length / step) for length, step in zip(array.shape, shards, strict=True)]
    starts: list[tuple[int, int]] = []
    for place in product(*map(range, grid)):
        origin = np.multiply(place, shards)
        file = array.metadata.encode_chunk_key(place)
        starts.extend(_missing_chunks(array, folder / file if file in stored else None, origin))
    if not starts:
        return None
    count = prod(ceil(length / step) for length, step in zip(array.shape, array.chunks, strict=True))
    first, last = min(start for start, _ in starts), max(stop for _, stop in starts)
    name = f" of {array.path}" if array.path else ""
    return (
        f"{path}: {len(starts)} of {count} chunks{name} are not there, in slices {first} to {last - 1}; they read as "
        f"{array.fill_value}. Copy the store again from its source"
    )


def _folder(array: Any) -> Path | None:
    root = getattr(array.store_path.store, "root", None)
    return None if root is None else Path(root) / array.store_path.path


def _stored(folder: Path) -> set[str]:
    """List the files below a folder by their relative path."""
    return {
        os.path.relpath(os.path.join(place, name), folder).replace(os.sep, "/")
        for place, _, names in os.walk(folder)
        for name in names
    }


def _missing_chunks(array: Any, file: Path | None, origin: NDArray[Any]) -> list[tuple[int, int]]:
    """List first and behind the last index, along the first axis, of each missing chunk of one shard or chunk."""
    within = [range(shard // chunk) for shard, chunk in zip(array.shards or array.chunks, array.chunks, strict=True)]
    places = np.array(list(product(*within))).reshape(-1, len(within))
    if file is not None:
        if array.shards is None:
            return []
        absent = _absent(array, file, len(places))
        places = places[absent]
    starts = origin + places * np.array(array.chunks)
    # the last shard reaches beyond the array, and nothing is stored there
    starts = starts[(starts < np.array(array.shape)).all(axis=1)]
    return [(int(start), min(int(start) + array.chunks[0], array.shape[0])) for start in starts[:, 0]]


def _absent(array: Any, file: Path, count: int) -> NDArray[np.bool_]:
    """Read from the index of a shard which of its chunks are absent."""
    codec = next((codec for codec in array.metadata.codecs if hasattr(codec, "index_codecs")), None)
    kinds = [type(step).__name__ for step in codec.index_codecs] if codec is not None else []
    if codec is None or kinds not in (["BytesCodec"], ["BytesCodec", "Crc32cCodec"]):
        return np.zeros(count, bool)
    length = 16 * count + 4 * (len(kinds) - 1)
    with file.open("rb") as opened:
        if getattr(codec.index_location, "value", codec.index_location) == "end":
            opened.seek(max(file.stat().st_size - length, 0))
        index = np.frombuffer(opened.read(16 * count), "<u8")
    return np.ones(count, bool) if len(index) < 2 * count else index[::2] == _EMPTY
