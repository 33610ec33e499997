"""Workers that share one volume: Dask's, as processes of the job or as further jobs on Slurm.

The job that makes the volume gives out slabs of whole shards, and one worker is a process of its own. Each worker opens
the inputs and the model once, and then reads, computes and writes slab after slab. One that is lost is replaced, and
its slabs are given out again. Whoever connects needs a certificate that is made for this one job and that only its
user can read.
"""

import pickle
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import zarr

from scan2seg import logging
from scan2seg.continuation import Unfinished
from scan2seg.errors import InputError
from scan2seg.hiring import hire
from scan2seg.storage import shards
from scan2seg.worker_process import Work, do_part
from scan2seg.workers import Workers

SLABS_A_WORKER = 4
"""Slabs are planned so short that each worker gets so many, where shards allow it: else some would have nothing to do
while others finish."""
_LOOK_SECONDS = 2.0
_NOBODY_SECONDS = 600.0
"""How long the job waits where no worker can be started at all."""


class Team:
    """Workers that are there, or on their way."""

    def __init__(self, client: Any, cluster: Any, workers: Workers) -> None:
        """Take a client and a cluster of Dask."""
        self._client, self._cluster, self._workers = client, cluster, workers
        self._there: set[str] = set()
        self._lost, self._seen = 0, time.monotonic()

    def share(self, work: Work, slabs: Sequence[slice], label: str) -> Iterator[tuple[slice, Any]]:
        """Give out slabs; yield each with what was returned of it, as they are finished.

        Args:
            work: what is done to them.
            slabs: whole shards, in the order in which they are begun.
            label: what the progress line says.

        Raises:
            InputError: a slab ended several workers one after the other, or none can be started; or what the work
                raises.
        """
        begin = partial(self._client.submit, do_part, pickle.dumps(work), pure=False)
        pending = {begin(slab, priority=-place): slab for place, slab in enumerate(slabs)}
        bar = logging.progress(range(len(slabs)), label, len(slabs))
        counted = iter(bar)
        while pending:
            self._replace_lost()
            for future in _look(list(pending)):
                told = _ask(future, pending[future], self._workers)
                if told is None:
                    # its worker has died before it told, and the slab is done again
                    continue
                slab, (result, said) = pending.pop(future), told
                for warning in said:
                    logging.warn("%s", warning)
                next(counted, None)
                yield slab, result
        next(counted, None)

    def _replace_lost(self) -> None:
        """Ask for as many workers as there should be: Dask gives up one that has not come back after a while.

        Raises:
            InputError: there has been none for long.
        """
        self._cluster.scale(self._workers.count)
        there = set(self._cluster.scheduler_info["workers"])
        gone, self._there = self._there - there, there
        if gone:
            self._lost += len(gone)
            told = "a worker ended before its work was done (%d so far); its slabs are given out again%s"
            logging.warn(told, self._lost, _name_logs(self._workers))
        if there:
            self._seen = time.monotonic()
        elif time.monotonic() - self._seen > _NOBODY_SECONDS:
            raise InputError(f"no worker could be started for {_NOBODY_SECONDS:.0f} s{_name_logs(self._workers)}")


def _look(futures: list[Any]) -> set[Any]:
    """Return those that are done, after a while none."""
    from distributed import wait

    try:
        done: set[Any] = wait(futures, timeout=_LOOK_SECONDS, return_when="FIRST_COMPLETED").done
    except TimeoutError:
        return set()
    return done


def _ask(future: Any, slab: slice, workers: Workers) -> tuple[Any, list[str]] | None:
    """Return what a worker returned of a slab, and its warnings; None where the worker is not there any more.

    Raises:
        InputError: the slab ended several workers.
    """
    from distributed import KilledWorker

    failed = future.status == "error"
    try:
        result: tuple[Any, list[str]] = future.result(timeout=_LOOK_SECONDS)
    except KilledWorker:
        raise InputError(_explain_loss(slab, workers)) from None
    except TimeoutError:
        # the work's own looks like this one: a network file system that does not answer
        if failed:
            raise
        return None
    return result


def share_slabs(
    unfinished: Unfinished,
    targets: Sequence[zarr.Array[Any]],
    work: Work,
    workers: Workers,
    label: str,
    *,
    plan: Callable[..., list[slice]] | None = None,
    settle: Callable[[Any, Any], Work] | None = None,
) -> Generator[Any, None, None]:
    """Let workers do what is not finished of a store; yield what was returned of every slab, also of earlier tries.

    Args:
        unfinished: the store.
        targets: its arrays.
        work: what is done to a slab.
        workers: who does it.
        label: what the progress line says.
        plan: cuts a part of the arrays into slabs of whole shards, ``least`` as many; by default each shard is one.
        settle: returns the work for all slabs but the first from that and from what the first slab returned, where it
            decides something for all; of an earlier try its first slab does.
    """
    notes, gaps = unfinished.collect(targets)
    yield from notes
    if not gaps:
        return
    slabs = _plan_slabs(targets[0], gaps, workers, plan)
    workers = replace(workers, count=min(workers.count, len(slabs)))
    where = "jobs on Slurm, this one among them" if workers.slurm else "processes of this job"
    logging.info("slabs: %d, workers: %d (%s)", len(slabs), workers.count, where)
    with hire(workers, unfinished.folder) as (client, cluster):
        team = Team(client, cluster, workers)
        for part in (slabs[:1], slabs[1:]) if settle and not notes else (slabs,):
            if settle and notes:
                work = settle(work, notes[0])
            for slab, note in team.share(work, part, label):
                unfinished.finish(slab, note)
                notes.append(note)
                yield note


def _plan_slabs(
    target: zarr.Array[Any], gaps: Sequence[slice], workers: Workers, plan: Callable[..., list[slice]] | None
) -> list[slice]:
    """Cut what is not finished into slabs, of which each worker gets several."""
    if plan is None:
        return [slab for gap in gaps for slab in shards(target, gap)]
    left = sum(gap.stop - gap.start for gap in gaps)
    least = {gap.start: SLABS_A_WORKER * workers.count * (gap.stop - gap.start) // left for gap in gaps}
    slabs = [slab for gap in gaps for slab in plan(gap, least=max(least[gap.start], 1))]
    edges = {edge for shard in shards(target) for edge in (shard.start, shard.stop)}
    assert all({slab.start, slab.stop} <= edges for slab in slabs), "slabs must be whole shards of the targets"
    return slabs


def _name_logs(workers: Workers) -> str:
    return f"; logs of workers: {workers.slurm.logs}" if workers.slurm else ""


def _explain_loss(slab: slice, workers: Workers) -> str:
    return (
        f"slices {slab.start} to {slab.stop - 1}, or those beside them, ended several workers one after the other. "
        f"Most likely they need more memory than the job asks for (mem_mb){_name_logs(workers)}"
    )
