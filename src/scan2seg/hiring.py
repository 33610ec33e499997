"""Dask workers are started, with settings and certificates of this one job, and end with it."""

import logging as standard_logging
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from scan2seg.continuation import WORKERS_FOLDER
from scan2seg.worker_process import DASK_LOGGERS
from scan2seg.workers import Workers

SLOTS = 2
"""Slabs that a worker has at a time: one is read and written while the other is computed."""
_LOST_SECONDS = 30
"""How long a worker whose process ended has to come back where it was, before another takes its place."""


@contextmanager
def hire(workers: Workers, store: Path) -> Iterator[tuple[Any, Any]]:
    """Start workers, and end them with the block. Work begins with the first that is there.

    Args:
        workers: who.
        store: the unfinished one that they will write; what they need lies in it and goes with the block.

    Yields:
        A client of Dask and its cluster.
    """
    import dask
    from distributed import Client

    start = _start_processes
    if workers.slurm is not None:
        # its settings are among those that count below
        from scan2seg.slurm import worker_jobs  # noqa: F401

        start = _start_jobs
    with ExitStack() as stack:
        stack.enter_context(dask.config.set(_settings(workers)))
        stack.enter_context(_quiet())
        folder = Path(stack.enter_context(TemporaryDirectory(prefix=WORKERS_FOLDER, dir=store)))
        security = _certify(folder)
        cluster = stack.enter_context(start(workers, security, folder))
        yield stack.enter_context(Client(cluster, security=security)), cluster


def _settings(workers: Workers) -> dict[str, Any]:
    """Return all settings of Dask: those of its user, in files and variables, are for other work."""
    import dask

    return {
        **dask.config.merge(*dask.config.defaults),
        "distributed.comm.timeouts.connect": "60s",
        "distributed.deploy.lost-worker-timeout": f"{_LOST_SECONDS}s",
        # Dask's own would be one thread each
        "distributed.nanny.pre-spawn-environ": dict.fromkeys(
            ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(workers.threads)
        ),
        # what a slab needs is planned before; Dask would end a worker whose memory it measures otherwise
        "distributed.worker.memory.terminate": False,
        "distributed.worker.memory.pause": False,
        # network file systems may have no locks
        "distributed.worker.use-file-locking": False,
        # nobody looks at Dask's pages, and anybody on the machine could
        "distributed.scheduler.http.routes": [],
        "distributed.worker.http.routes": [],
    }


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Dask's words out of the job's log: it says itself which workers were lost, and why it fails."""
    loggers = [standard_logging.getLogger(name) for name in DASK_LOGGERS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(standard_logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


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


def _start_processes(workers: Workers, security: Any, folder: Path) -> Any:
    from distributed import LocalCluster

    return LocalCluster(
        n_workers=workers.count, host="127.0.0.1", protocol="tls://", dashboard_address=":0",
        scheduler_kwargs={"dashboard": False}, threads_per_worker=SLOTS, **_describe_process(security, folder),
    )  # fmt: skip


def _start_jobs(workers: Workers, security: Any, folder: Path) -> Any:
    """Start one worker here, and ask Slurm for the others."""
    from distributed import Nanny

    from scan2seg.slurm.worker_jobs import start_jobs

    assert workers.slurm is not None
    cluster = start_jobs(workers.slurm, workers.threads, SLOTS, security, str(folder))
    cluster.worker_spec["here"] = {
        "cls": Nanny,
        "options": {"nthreads": SLOTS, **_describe_process(security, folder)},
    }
    cluster.scale(workers.count)
    return cluster


def _describe_process(security: Any, folder: Path) -> dict[str, Any]:
    """Return what workers that are processes of this job have in common."""
    own = {"memory_limit": 0, "local_directory": str(folder), "preload": ["scan2seg.worker_process"]}
    return {**own, "security": security, "silence_logs": standard_logging.CRITICAL}
