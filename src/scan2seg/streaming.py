"""Work that streams through a volume: slabs that are computed, planned apart from the shards that are written.

A shard is what one writer writes; a slab is what is computed at once, some whole shards of it. How long a slab is
depends on what a job has: memory, threads, and the slices around a slab that its result needs.
"""

import math
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import pairwise
from typing import Any, TypeVar

import zarr

from scan2seg import logging
from scan2seg.memory import available_memory
from scan2seg.storage import shards

Given = TypeVar("Given")
Result = TypeVar("Result")

SHARE = 0.7
"""Of the memory that a job may take, how much slabs are planned for; libraries and the file cache have the rest."""
SLICES_A_HALO = 8
"""A slab of so many times its halo computes a quarter more slices than there are; longer ones gain little."""
MOST_COMPUTED = 1.5
"""Slices computed for each slice of the volume beyond which the plan is worth a word."""


def plan_slabs(
    target: zarr.Array[Any],
    slice_bytes: int,
    *,
    halo: int = 0,
    enough: int = 1,
    step: int = 1,
    part: slice | None = None,
    least: int = 1,
    memory: int | None = None,
) -> list[slice]:
    """Cut the first axis of an array into slabs of whole shards, of about equal length.

    A slab has as many slices as keep all threads busy and make its halo a small part of the work, as far as memory
    allows, and never less than a shard.

    Args:
        target: the array that is written.
        slice_bytes: what each slice of a slab, and of its halo, takes of memory while it is read, computed and written.
        halo: slices on each side of a slab that its result needs.
        enough: slices that keep all threads busy.
        step: slabs begin at a multiple of it.
        part: the slices to cut, which begin and end where slabs of such a plan may; all of them by default.
        least: slabs to make at least, where there are as many shards.
        memory: in bytes; by default what the job may still take, less a reserve.
    """
    memory = int(available_memory() * SHARE) if memory is None else memory
    unit = math.lcm(shards(target)[0].stop, step)
    part = slice(0, target.shape[0]) if part is None else part
    fitting = (memory // slice_bytes - 2 * halo) // unit
    wanted = -(-max(enough, SLICES_A_HALO * halo) // unit)
    units = -(-(part.stop - part.start) // unit)
    count = min(max(-(-units // max(min(fitting, wanted), 1)), least), units)
    edges = [part.start + units * place // max(count, 1) * unit for place in range(count)] + [part.stop]
    return [slice(start, stop) for start, stop in pairwise(edges)]


def surround(slab: slice, halo: int, count: int) -> slice:
    """Return a slab with its halo, as far as there are slices."""
    return slice(max(slab.start - halo, 0), min(slab.stop + halo, count))


def count_computed(slabs: Sequence[slice], halo: int) -> float:
    """Return how many slices are computed, halos included, for each slice of the slabs."""
    blocks = [surround(slab, halo, slabs[-1].stop) for slab in slabs]
    return float(sum(block.stop - block.start for block in blocks) / (slabs[-1].stop - slabs[0].start))


def stream(
    slabs: Sequence[slice],
    read: Callable[[slice], Given],
    compute: Callable[[slice, Given], Result],
    write: Callable[[slice, Result], None],
    target: zarr.Array[Any],
    label: str,
) -> None:
    """Compute slab after slab while the next is read and the one before is written.

    Reading and writing have a thread each, which works in the order of the slabs; memory holds three of them.

    Args:
        slabs: in order.
        read: returns what a slab is computed from.
        compute: returns what is written of it; runs in the calling thread.
        write: writes whole shards.
        target: what is written.
        label: what the progress line says.

    Raises:
        AssertionError: a slab is not whole shards, which would let two writers write to one.
    """
    edges = {edge for shard in shards(target) for edge in (shard.start, shard.stop)}
    assert all({slab.start, slab.stop} <= edges for slab in slabs), "slabs must be whole shards of the target"
    if not slabs:
        return
    writing: Future[None] | None = None
    with ThreadPoolExecutor(1) as reader, ThreadPoolExecutor(1) as writer:
        coming = reader.submit(read, slabs[0])
        following = [*slabs[1:], None]
        for slab, then in logging.progress(zip(slabs, following, strict=True), label, len(slabs)):
            given = coming.result()
            if then is not None:
                coming = reader.submit(read, then)
            result = compute(slab, given)
            del given
            if writing is not None:
                writing.result()
            writing = writer.submit(write, slab, result)
            del result
        if writing is not None:
            writing.result()
