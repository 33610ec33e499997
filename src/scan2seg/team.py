"""Workers that share one volume: Dask's, as processes of the job or as further jobs on Slurm.

The job that makes the volume gives out slabs of whole shards, and one worker is a process of its own. Each worker opens
the inputs and the model once, and then reads, computes and writes slab after slab. One that is lost is replaced, and
its slabs are given out again. Whoever connects needs a certificate that is made for this one job and that only its
user can read.
"""

import os
import pickle
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from logging import WARNING
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

import zarr

from scan2seg import logging
from scan2seg.continuation import Unfinished
from scan2seg.errors import InputError
from scan2seg.storage import shards
from scan2seg.workers import Workers

SLOTS = 2
"""Slabs that a worker has at a time: one is read and written while the other is computed."""
SLABS_A_WORKER = 4
"""Slabs are planned so short that each worker gets so many, where shards allow it: else some would have nothing to do
while others finish."""
_LOOK_SECONDS = 2.0
_LOST_SECONDS = 30
"""How long a worker whose process ended has to come back where it was, before another takes its place."""


class Work(Protocol):
    """What is done to slabs of one store; it travels to the workers, and so is small and can be pickled."""

    def open(self) -> Callable[[slice], Any]:
        """Open what is needed, once in each worker; return what reads, computes and writes a slab.

        What that returns is JSON. It is called by several threads at a time.
        """


class Team:
    """Workers that are there, or on their way."""

    def __init__(self, client: Any, cluster: Any, workers: Workers) -> None:
        """Take a client and a cluster of Dask."""
        self._client, self._cluster, self._workers = client, cluster, workers

    def share(self, work: Work, slabs: Sequence[slice], label: str) -> Iterator[tuple[slice, Any]]:
        """Give out slabs; yield each with what was returned of it, as they are finished.

        Args:
            work: what is done to them.
            slabs: whole shards, in the order in which they are begun.
            label: what the progress line says.

        Raises:
            InputError: a slab ended several workers one after the other; or what the work raises.
        """
        from distributed import wait

        content = pickle.dumps(work)
        begin = partial(self._client.submit, _run, content, pure=False)
        pending = {begin(slab, priority=-place): slab for place, slab in enumerate(slabs)}
        bar = logging.progress(range(len(slabs)), label, len(slabs))
        counted = iter(bar)
        while pending:
            self._replace_lost()
            with suppress(TimeoutError):
                for future in wait(list(pending), timeout=_LOOK_SECONDS, return_when="FIRST_COMPLETED").done:
                    # a worker may die before it has told what it returned, and its slab is done again
                    result = _ask(future, pending[future], self._workers)
                    slab = pending.pop(future)
                    next(counted, None)
                    yield slab, result
        next(counted, None)

    def _replace_lost(self) -> None:
        """Ask for as many workers as there should be: Dask gives up one that has not come back after a while."""
        self._cluster.scale(self._workers.count)


def _ask(future: Any, slab: slice, workers: Workers) -> Any:
    """Return what a worker returned of a slab.

    Raises:
        InputError: the slab ended several workers.
        TimeoutError: the worker is not there any more.
    """
    from distributed import KilledWorker

    try:
        return future.result(timeout=_LOOK_SECONDS)
    except KilledWorker:
        raise InputError(_explain_loss(slab, workers)) from None


def share_slabs(
    unfinished: Unfinished,
    targets: Sequence[zarr.Array[Any]],
    plan: Callable[..., list[slice]],
    work: Work,
    workers: Workers,
    label: str,
    settle: Callable[[Any, Any], Work] | None = None,
) -> Generator[Any, None, None]:
    """Let workers do what is not finished of a store; yield what was returned of every slab, also of earlier tries.

    Args:
        unfinished: the store.
        targets: its arrays.
        plan: cuts a part of them into slabs, ``least`` as many.
        work: what is done to a slab.
        workers: who does it.
        label: what the progress line says.
        settle: returns the work for all slabs but the first from that and from what the first slab returned, where it
            decides something for all; of an earlier try its first slab does.
    """
    notes, gaps = unfinished.collect(targets)
    yield from notes
    if not gaps:
        return
    left = sum(gap.stop - gap.start for gap in gaps)
    least = {gap.start: SLABS_A_WORKER * workers.count * (gap.stop - gap.start) // left for gap in gaps}
    slabs = [slab for gap in gaps for slab in plan(gap, least=max(least[gap.start], 1))]
    edges = {edge for shard in shards(targets[0]) for edge in (shard.start, shard.stop)}
    assert all({slab.start, slab.stop} <= edges for slab in slabs), "slabs must be whole shards of the targets"
    with hire(workers) as team:
        for part in (slabs[:1], slabs[1:]) if settle and not notes else (slabs,):
            if settle and notes:
                work = settle(work, notes[0])
            for slab, note in team.share(work, part, label):
                unfinished.finish(slab, note)
                notes.append(note)
                yield note


def _explain_loss(slab: slice, workers: Workers) -> str:
    logs = f"; their logs: {workers.slurm.logs}" if workers.slurm else ""
    return (
        f"slices {slab.start} to {slab.stop - 1}, or those beside them, ended several workers one after the other. "
        f"Most likely they need more memory than the job asks for (mem_mb){logs}"
    )


@contextmanager
def hire(workers: Workers) -> Iterator[Team]:
    """Start workers, and end them with the block. Work begins with the first that is there."""
    import dask
    from distributed import Client

    settings = {
        "distributed.comm.timeouts.connect": "60s",
        "distributed.deploy.lost-worker-timeout": f"{_LOST_SECONDS}s",
        "distributed.nanny.pre-spawn-environ": _environment(workers),
        # what a slab needs is planned before; Dask would end a worker whose memory it measures otherwise
        "distributed.worker.memory.terminate": False,
        "distributed.worker.memory.pause": False,
        # nobody looks at Dask's pages, and anybody on the machine could
        "distributed.scheduler.http.routes": [],
        "distributed.worker.http.routes": [],
    }
    with ExitStack() as stack:
        stack.enter_context(dask.config.set(settings))
        folder = Path(stack.enter_context(TemporaryDirectory(prefix=".workers-", dir=_shared_folder(workers))))
        security = _certify(folder)
        start = _start_jobs if workers.slurm else _start_processes
        cluster = stack.enter_context(start(workers, security, folder))
        yield Team(stack.enter_context(Client(cluster, security=security)), cluster, workers)


def _shared_folder(workers: Workers) -> Path | None:
    """Return a folder that the workers see, for certificates that only this user can read."""
    if workers.slurm is None:
        return None
    workers.slurm.logs.mkdir(parents=True, exist_ok=True)
    return workers.slurm.logs


def _certify(folder: Path) -> Any:
    """Return a certificate of its own for this team, in files of a folder that only this user can read."""
    from distributed.security import Security

    made, paths = Security.temporary(), {}
    parts = [f"tls_{role}_{part}" for role in ("scheduler", "worker", "client") for part in ("cert", "key")]
    for name in ["tls_ca_file", *parts]:
        paths[name] = str(folder / f"{name}.pem")
        with open(os.open(paths[name], os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(getattr(made, name))
    return Security(require_encryption=True, **paths)


def _environment(workers: Workers) -> dict[str, str]:
    """Return what Dask sets for its workers, which would else be one thread each."""
    return dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(workers.threads))


def _start_processes(workers: Workers, security: Any, folder: Path) -> Any:
    from distributed import LocalCluster

    return LocalCluster(
        n_workers=workers.count, threads_per_worker=SLOTS, memory_limit=0, host="127.0.0.1", protocol="tls://",
        security=security, local_directory=str(folder), dashboard_address=":0", scheduler_kwargs={"dashboard": False},
    )  # fmt: skip


def _start_jobs(workers: Workers, security: Any, folder: Path) -> Any:
    """Start one worker here, and ask Slurm for the others."""
    from distributed import Nanny

    from scan2seg.slurm.worker_jobs import start_jobs

    assert workers.slurm is not None
    cluster = start_jobs(workers.slurm, workers.threads, SLOTS, _environment(workers), security, str(folder))
    here = {"nthreads": SLOTS, "memory_limit": 0, "security": security, "local_directory": str(folder)}
    cluster.worker_spec["here"] = {"cls": Nanny, "options": {**here, "silence_logs": WARNING}}
    cluster.scale(workers.count)
    return cluster


_opened: dict[bytes, Callable[[slice], Any]] = {}
"""In a worker: the work that was opened last."""
_lock = threading.Lock()


def _run(content: bytes, slab: slice) -> Any:
    """Do a worker's part: open the work if it is another than the last, and do it to a slab."""
    with _lock:
        if content not in _opened:
            _opened.clear()
            work: Work = pickle.loads(content)
            _opened[content] = work.open()
        run = _opened[content]
    return run(slab)
