"""Which jobs share their volume with Dask workers, and what these are to be."""

import json
import os
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scan2seg.config.shared_work import SharedWork
from scan2seg.errors import InputError
from scan2seg.memory import available_memory

VARIABLE = "SCAN2SEG_WORKERS"
"""The environment variable that tells jobs which of them share their volume: count, where, and the rules."""


@dataclass(frozen=True)
class Workers:
    """Who shares a volume."""

    count: int
    """How many, the job's own process among them."""
    threads: int
    """Processor cores of each."""
    slurm: "SlurmRequest | None" = None
    """What jobs of their own ask for; without it they are processes of this job."""

    @property
    def memory(self) -> int:
        """Bytes that each may take."""
        return available_memory() // (1 if self.slurm else self.count)


@dataclass(frozen=True)
class SlurmRequest:
    """What the job of a worker asks for: as much as the job whose volume is shared."""

    name: str
    logs: Path
    """A folder for their logs."""
    mem_mb: int
    minutes: int
    partition: str | None = None
    account: str | None = None
    options: tuple[str, ...] = ()
    """Further options of sbatch, such as ``--gpus=1``."""


def announce_workers(settings: SharedWork | None) -> None:
    """Tell the jobs that start from here which of them share their volume."""
    if settings is None:
        os.environ.pop(VARIABLE, None)
    else:
        os.environ[VARIABLE] = settings.model_dump_json()


def check_workers(settings: SharedWork | None) -> None:
    """Refuse, before the first job, workers that no job of this machine could start.

    Raises:
        InputError: they are to be jobs on Slurm, and there is none.
    """
    if settings is not None and settings.where == "slurm" and shutil.which("sbatch") is None:
        raise InputError(
            "cluster.workers.where: slurm: there is no sbatch here; write where: machine, or remove workers:"
        )


def find_workers(snakemake: Any) -> Workers | None:
    """Return who shares the volume of a job of the workflow; None where the job has it alone.

    Raises:
        InputError: they are to be jobs on Slurm, and there is none.
    """
    text = os.environ.get(VARIABLE)
    settings = SharedWork(**json.loads(text)) if text else None
    if settings is None or snakemake.rule not in settings.rules:
        return None
    if settings.where == "machine":
        return Workers(settings.count, max(1, snakemake.threads // settings.count))
    check_workers(settings)
    asked = snakemake.resources
    options = [f"--gpus={asked.get('gpu')}"] if asked.get("gpu") else []
    options += [f"--{name}={asked.get(name)}" for name in ("gres", "qos", "constraint") if asked.get(name)]
    options += shlex.split(asked.get("slurm_extra") or "")
    logs = Path(snakemake.log[0]).resolve().with_suffix(".workers")
    request = SlurmRequest(
        f"{snakemake.rule}-worker", logs, int(asked.mem_mb), int(asked.runtime),
        asked.get("slurm_partition"), asked.get("slurm_account"), tuple(options),
    )  # fmt: skip
    return Workers(settings.count, snakemake.threads, request)
