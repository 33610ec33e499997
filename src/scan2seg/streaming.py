"""Work that streams through a volume: slabs that are computed, planned apart from the shards that are written.

A shard is what one writer writes; a slab is what is computed at once, some whole shards of it. How long a slab is
depends on what a job has: memory, threads, and the slices around a slab that its result needs.
"""

import math
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
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
    targets: Sequence[zarr.Array[Any]],
    label: str | None,
) -> None:
    """Compute slab after slab while the next is read and the one before is written, on three of Dask's threads.

    Each of the three does one slab at a time, in their order, and never runs more than one ahead: memory holds three
    slabs. An error in one of them ends the others when they have done with theirs.

    Args:
        slabs: in order.
        read: returns what a slab is computed from.
        compute: returns what is written of it.
        write: writes whole shards, or collects parts of one until it is whole.
        targets: what is written, in shards that are the same along their first axis.
        label: what the progress line says; None for none.

    Raises:
        AssertionError: a slab is neither whole shards nor within one, which would let two writers write to one.
    """
    _check_shards(slabs, targets)
    bar = logging.progress(range(len(slabs)), label, len(slabs)) if label else iter(slabs)

    def compute_slab(place: int, given: Given) -> Result:
        result = compute(slabs[place], given)
        next(bar, None)
        return result

    overlap(
        len(slabs),
        lambda place: read(slabs[place]),
        compute_slab,
        lambda place, result: write(slabs[place], result),
    )
    next(bar, None)


def overlap(
    count: int,
    read: Callable[[int], Given],
    compute: Callable[[int, Given], Result],
    write: Callable[[int, Result], None],
) -> None:
    """Compute one thing after the other while the next is read and the one before is written; see ``stream``."""
    import dask.threaded

    given: dict[int, Given] = {}
    results: dict[int, Result] = {}

    # Dask is told what has to be done before, in what follows the first argument, and is not given what it would keep
    def read_next(place: int, *_: None) -> None:
        given[place] = read(place)

    def compute_next(place: int, *_: None) -> None:
        results[place] = compute(place, given.pop(place))

    def write_next(place: int, *_: None) -> None:
        write(place, results.pop(place))

    graph = _put_in_order(count, {"read": read_next, "compute": compute_next, "write": write_next})
    # its own threads, which are gone when nobody may touch anymore what is written
    with ThreadPoolExecutor(3, "stream") as pool:
        dask.threaded.get(graph, list(graph)[-1:], pool=pool)


def _put_in_order(count: int, acts: Mapping[str, Callable[..., None]]) -> dict[tuple[str, int], Any]:
    """Return Dask's graph of reading, computing and writing so many slabs; what is written last comes last."""
    graph: dict[tuple[str, int], Any] = {}
    for place in range(count):
        before = {
            "read": [("read", place - 1), ("compute", place - 2), ("write", place - 3)],
            "compute": [("read", place), ("compute", place - 1), ("write", place - 2)],
            "write": [("compute", place), ("write", place - 1)],
        }
        for name, act in acts.items():
            graph[name, place] = (act, place, *(key for key in before[name] if key in graph))
    return graph


def _check_shards(slabs: Sequence[slice], targets: Sequence[zarr.Array[Any]]) -> None:
    whole = shards(targets[0])
    assert all(shards(target) == whole for target in targets), "the targets must have the same shards"
    starts, stops = [shard.start for shard in whole], {shard.stop for shard in whole}
    for slab in slabs:
        (shard,) = whole[bisect_right(starts, slab.start) - 1 :][:1]
        within = slab.stop <= shard.stop
        assert within or (slab.start == shard.start and slab.stop in stops), "slabs must be whole shards of the targets"
