"""Workers of one volume as jobs of their own on Slurm."""

import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dask_jobqueue.slurm import SLURMCluster, SLURMJob
from distributed.deploy.spec import ProcessInterface

from scan2seg.logging import warn

if TYPE_CHECKING:
    from scan2seg.workers import SlurmRequest

ORPHAN_SECONDS = 60
"""How long workers outlive the job that gives them work."""


class WorkerJob(SLURMJob):  # type: ignore[misc]
    """The job of one worker; where Slurm refuses it the others go on without it."""

    async def start(self) -> None:
        """Submit it."""
        # sbatch takes what Slurm told the job that runs this for wishes
        told = [name for name in os.environ if name.startswith(("SLURM_", "SBATCH_")) and name != "SLURM_CONF"]
        self.submit_command = " ".join(["env", *(f"-u {name}" for name in told), "sbatch"])
        try:
            await super().start()
        except (RuntimeError, ValueError, OSError) as error:
            said = str(error).strip().splitlines() or ["no reason given"]
            warn("cluster.workers: Slurm refused a worker, the others go on without it: %s", said[-1])
            self.job_id = None
            # Dask counts it among those that are on their way
            await ProcessInterface.start(self)


def start_jobs(
    request: "SlurmRequest", threads: int, slots: int, environment: Mapping[str, str], security: Any, folder: str
) -> Any:
    """Return a Dask cluster without workers, whose workers will be jobs.

    Args:
        request: what each asks for.
        threads: processor cores of each.
        slots: slabs that each has at a time.
        environment: variables of the processes that work.
        security: certificates, in files that the nodes see.
        folder: where they are.
    """
    exports = [
        f"export DASK_DISTRIBUTED__NANNY__PRE_SPAWN_ENVIRON__{key}={value}" for key, value in environment.items()
    ]
    return SLURMCluster(
        job_cls=WorkerJob, job_name=request.name, log_directory=str(request.logs), queue=request.partition,
        account=request.account, walltime=str(request.minutes), job_cpu=threads, job_mem=f"{request.mem_mb}M",
        cores=slots, processes=1, memory=f"{request.mem_mb}MB", job_extra_directives=list(request.options),
        job_script_prologue=[*exports, "export DASK_DISTRIBUTED__WORKER__HTTP__ROUTES=[]"],
        # what a slab needs is planned before; Dask would end a worker by what it measures
        worker_extra_args=["--memory-limit", "0", "--no-dashboard"], death_timeout=ORPHAN_SECONDS,
        python=sys.executable, security=security, shared_temp_directory=folder,
        scheduler_options={"dashboard_address": ":0", "dashboard": False},
    )  # fmt: skip
