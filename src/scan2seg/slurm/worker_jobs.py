"""Workers of one volume as jobs of their own on Slurm."""

import copy
import os
import shlex
import sys
from typing import TYPE_CHECKING, Any

import dask
from dask_jobqueue.slurm import SLURMCluster, SLURMJob
from distributed.deploy.spec import ProcessInterface

from scan2seg.logging import warn

if TYPE_CHECKING:
    from scan2seg.workers import SlurmRequest

ORPHAN_SECONDS = 60
"""How long workers outlive the job that gives them work."""


class WorkerJob(SLURMJob):  # type: ignore[misc]
    """The job of one worker; where Slurm refuses it the others go on without it."""

    job_header: str

    def __init__(self, *args: Any, security: Any, **words: Any) -> None:
        """Take what a job of Dask takes."""
        # the paths become words of a shell's line
        quoted = copy.copy(security)
        for name in ("tls_ca_file", "tls_worker_cert", "tls_worker_key"):
            setattr(quoted, name, shlex.quote(getattr(security, name)))
        super().__init__(*args, security=quoted, **words)

    async def start(self) -> None:
        """Submit it, with options on the command line as the job's own: in a script the user's SBATCH_* would win."""
        lines = [line.removeprefix("#SBATCH ") for line in self.job_header.splitlines()]
        options = [word for line in lines for word in (line.split(" ", 1) if line[:2] != "--" else [line])]
        self.job_header = ""
        # sbatch takes what Slurm told the job that runs this for wishes, and Dask has the user's settings from others
        told = [name for name in os.environ if name.startswith(("SLURM_", "DASK_")) and name != "SLURM_CONF"]
        self.submit_command = shlex.join(["env", *(f"--unset={name}" for name in told), "sbatch", *options])
        try:
            await super().start()
        except (RuntimeError, ValueError, OSError) as error:
            said = str(error).strip().splitlines() or ["no reason given"]
            warn("cluster.workers: Slurm refused a worker, the others go on without it: %s", said[-1])
            self.job_id = None
            # Dask counts it among those that are on their way
            await ProcessInterface.start(self)


def start_jobs(request: "SlurmRequest", threads: int, slots: int, security: Any, folder: str) -> Any:
    """Return a Dask cluster without workers, whose workers will be jobs.

    Args:
        request: what each asks for.
        threads: processor cores of each.
        slots: slabs that each has at a time.
        security: certificates, in files that the nodes see.
        folder: where they are.
    """
    settings = dask.config.serialize(dask.config.config)
    return SLURMCluster(
        job_cls=WorkerJob, job_name=request.name, log_directory=str(request.logs), queue=request.partition,
        account=request.account, walltime=str(request.minutes), job_cpu=threads, job_mem=f"{request.mem_mb}M",
        cores=slots, processes=1, memory=f"{request.mem_mb}MB", job_extra_directives=list(request.options),
        job_script_prologue=[f"export DASK_INTERNAL_INHERIT_CONFIG={settings}"],
        # what a slab needs is planned before; Dask would end a worker by what it measures
        worker_extra_args=["--memory-limit", "0", "--no-dashboard"], death_timeout=ORPHAN_SECONDS,
        python=shlex.quote(sys.executable), security=security, shared_temp_directory=folder,
        scheduler_options={"dashboard_address": ":0", "dashboard": False},
    )  # fmt: skip
