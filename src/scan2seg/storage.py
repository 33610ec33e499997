"""Everything that is written to disk: whole or not at all, and Zarr stores whose shards are tens of megabytes.

A target appears under its name only when it is complete: it is written beside it and renamed.
"""

import json
import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from zarr.codecs import BloscCodec

from scan2seg.errors import InputError
from scan2seg.replacement import replacing

# Snakemake marks finished folders with a file of its own
warnings.filterwarnings("ignore", message=".*snakemake_timestamp.*", category=UserWarning)

TARGET_SHARD_BYTES = 32 * 2**20


def write_json(path: Path | str, content: Any) -> None:
    """Write JSON, whole or not at all; NaN and infinity are errors, for no other program reads them."""
    with replacing(path) as partial:
        partial.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", "utf-8")


def read_json(path: Path | str) -> Any:
    """Read JSON.

    Raises:
        InputError: the file is missing or is not JSON.
    """
    try:
        return json.loads(Path(path).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as JSON ({error})") from None


@contextmanager
def creating(target: Path | str) -> Iterator[zarr.Group]:
    """Yield a new Zarr group that becomes the target when the block ends without an error."""
    with replacing(target) as partial:
        yield open_writable(partial, anew=True)


def open_writable(path: Path, *, anew: bool) -> zarr.Group:
    """Open a Zarr group for writing, empty or with what it holds."""
    return zarr.open_group(str(path), mode="w" if anew else "r+", zarr_format=3)


def open_store(path: Path | str) -> zarr.Group:
    """Open a Zarr group for reading.

    Raises:
        InputError: there is no readable Zarr group.
    """
    try:
        return zarr.open_group(str(path), mode="r")
    except Exception as error:
        raise InputError(f"{path}: is not a readable Zarr store ({type(error).__name__}: {error})") from None


def open_array(path: Path | str, name: str) -> zarr.Array[Any]:
    """Open one array of a Zarr group for reading.

    Raises:
        InputError: the store or the array is missing.
    """
    group = open_store(path)
    array = group.get(name)
    if not isinstance(array, zarr.Array):
        raise InputError(f"{path}: has no array '{name}', it holds {', '.join(sorted(group.keys())) or 'nothing'}")
    return array


def shard_length(item_shape: Sequence[int], dtype: Any, count: int) -> int:
    """Return how many items (images, slices, patches) along the first axis make one shard."""
    item_bytes = max(math.prod(item_shape) * int(np.dtype(dtype).itemsize), 1)
    return max(1, min(count, TARGET_SHARD_BYTES // item_bytes))


def create_array(
    group: zarr.Group,
    name: str,
    shape: Sequence[int],
    dtype: Any,
    *,
    per_shard: int | None = None,
    fill_value: Any = 0,
    axes: Sequence[str] | None = None,
) -> zarr.Array[Any]:
    """Create a sharded array: a chunk is one item along the first axis, a shard is ``per_shard`` items.

    One writer writes one shard, always: concurrent writes to a shard lose data silently.
    Axes longer than 512 are cut into equal chunks within the shard, so that a crop reads little.
    """
    item = tuple(int(length) for length in shape[1:])
    count = max(int(shape[0]), 1)
    items = per_shard or shard_length(item, dtype, count)
    chunk_item = tuple(math.ceil(length / math.ceil(length / 512)) if length else 1 for length in item)
    shard_item = tuple(
        chunk * max(1, math.ceil(length / chunk)) for chunk, length in zip(chunk_item, item, strict=True)
    )
    wide = np.dtype(dtype).itemsize >= 4
    return group.create_array(
        name,
        shape=tuple(int(length) for length in shape),
        dtype=np.dtype(dtype),
        chunks=(1, *chunk_item),
        shards=(items, *shard_item),
        fill_value=fill_value,
        dimension_names=tuple(axes) if axes else None,
        # whole bytes of a noisy float32 volume are packed in half the time of bits, and into less (docs/performance.md)
        compressors=[BloscCodec(cname="lz4", clevel=1, shuffle="shuffle" if wide else "bitshuffle")],
        # so that a chunk that is lost can be told from one of zeros
        config={"write_empty_chunks": True},
    )


def create_volume(
    group: zarr.Group,
    shape: tuple[int, int, int],
    dtype: Any = "float32",
    *,
    pixel_size: float | None = None,
    spacing: Sequence[float] | None = None,
    per_shard: int | None = None,
    name: str = "volume",
) -> zarr.Array[Any]:
    """Create the array of a volume (z, y, x) with OME-Zarr 0.5 metadata.

    Args:
        group: where to create it.
        shape: (z, y, x).
        dtype: of its values.
        pixel_size: edge of a pixel of its slices in micrometres, where it is known.
        spacing: micrometres from voxel to voxel along (z, y, x); the pixel size along all three where it is not given.
        per_shard: slices in a shard.
        name: of the array.
    """
    scale = [float(length) for length in spacing or [pixel_size or 1.0] * 3]
    unit = {"unit": "micrometer"} if pixel_size or spacing else {}
    group.attrs["ome"] = {
        "version": "0.5",
        "multiscales": [
            {
                "name": name,
                "axes": [{"name": axis, "type": "space", **unit} for axis in "zyx"],
                "datasets": [{"path": name, "coordinateTransformations": [{"type": "scale", "scale": scale}]}],
            }
        ],
    }
    if pixel_size:
        group.attrs["pixel_size"] = float(pixel_size)
    return create_array(group, name, shape, dtype, per_shard=per_shard, axes=("z", "y", "x"))


def shards(array: zarr.Array[Any], part: slice | None = None) -> list[slice]:
    """List the slices along the first axis that are one shard each, the unit of writing; of a part those in it."""
    length = (array.shards or array.chunks)[0]
    part = part or slice(0, array.shape[0])
    return [slice(start, min(start + length, part.stop)) for start in range(part.start, part.stop, length)]
