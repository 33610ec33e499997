"""Work over the shards of a store with Dask: a block is exactly one shard, so that no two writers share one."""

import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import zarr

from scan2seg.continuation import Unfinished
from scan2seg.logging import progress
from scan2seg.storage import shard_length, shards

Result = TypeVar("Result")


def block_length(item: Sequence[int], dtype: Any, count: int, depth: int) -> int:
    """Return how many slices make a shard: tens of megabytes, and at least two slabs of a network on volumes.

    Each shard computes the slabs at its ends anew, so that thin ones would compute most slabs several times.
    """
    length = shard_length(item, dtype, count)
    return length if depth == 1 else max(length, min(2 * depth, count))


def run_blocks(
    work: Callable[[slice], Result],
    targets: Sequence[zarr.Array[Any]],
    label: str | None,
    workers: int = 2,
    unfinished: Unfinished | None = None,
    first_alone: bool = False,
) -> list[Result]:
    """Call ``work`` for the slice of every shard of the targets, several at a time; return the results in order.

    Args:
        work: reads, computes and writes ``target[block]`` of each target.
        targets: arrays with the same shards along their first axis.
        label: what the progress line says; None for none.
        workers: threads; two let one read and write while the other computes.
        unfinished: the store of the targets, of which finished blocks are left as they are and others recorded, with
            the result of the work, which is then JSON.
        first_alone: begin with the others when the first block is done, where it decides something for all of them.

    Raises:
        AssertionError: the targets' shards differ, which would let two blocks write to one shard.
    """
    import dask

    blocks = shards(targets[0])
    assert all(shards(target) == blocks for target in targets), "blocks must be whole shards of every target"
    lock = threading.Lock()
    counted_blocks = iter(range(len(blocks)))
    bar = progress(counted_blocks, label, total=len(blocks)) if label else counted_blocks

    def counted(block: slice) -> Result:
        found: list[Result] = unfinished.find(block, targets) if unfinished is not None else []
        result = found[0] if found else work(block)
        if unfinished is not None and not found:
            unfinished.finish(block, result)
        with lock:
            next(bar, None)
        return result

    alone = blocks[: int(first_alone)]
    results = [counted(block) for block in alone]
    tasks = [dask.delayed(counted, pure=False)(block) for block in blocks[len(alone) :]]
    with dask.config.set(scheduler="threads", num_workers=workers):
        results += dask.compute(*tasks)
    next(bar, None)
    return results
