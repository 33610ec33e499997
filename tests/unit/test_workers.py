"""Who shares a volume is said in the profile, and each worker asks for what the job asks for."""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import ValidationError

from scan2seg import memory, workers
from scan2seg.config.shared_work import SharedWork
from scan2seg.errors import InputError
from scan2seg.workers import announce_workers, find_workers


class Resources(dict[str, Any]):
    """As Snakemake's: by attribute and by name."""

    __getattr__ = dict.__getitem__


def job(rule: str = "denoise_scan", **resources: Any) -> Any:
    asked = Resources({"mem_mb": 8000, "runtime": 240, "slurm_partition": "gpu", "slurm_account": "me", **resources})
    return SimpleNamespace(rule=rule, threads=16, resources=asked, log=["results/logs/denoise_scan/a.log"])


@pytest.fixture(autouse=True)
def _as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(workers.VARIABLE, "")
    monkeypatch.setattr(workers.shutil, "which", lambda _: "/usr/bin/sbatch")


def test_nobody_shares_unless_the_profile_says_so() -> None:
    assert find_workers(job()) is None
    announce_workers(SharedWork(count=3, rules=["segment_scan"]))
    assert find_workers(job()) is None
    announce_workers(None)
    assert workers.VARIABLE not in os.environ


def test_a_worker_on_slurm_asks_for_what_the_job_asks_for(monkeypatch: pytest.MonkeyPatch) -> None:
    announce_workers(SharedWork(count=3))
    found = find_workers(job(gres="gpu:1"))
    assert found is not None and (found.count, found.threads) == (3, 16)
    request = found.slurm
    assert request is not None and request.options == ("--gres=gpu:1",)
    assert (request.mem_mb, request.minutes, request.partition, request.account) == (8000, 240, "gpu", "me")
    assert request.logs == Path("results/logs/denoise_scan/a.workers").resolve()
    asked = {"qos": "long", "constraint": "a100&ib", "slurm_extra": "--comment='a b' -x node7"}
    extra = find_workers(job(**asked))
    assert extra is not None and extra.slurm is not None
    assert extra.slurm.options == ("--qos=long", "--constraint=a100&ib", "--comment=a b", "-x", "node7")
    gpu = find_workers(job(gpu=1))
    assert gpu is not None and gpu.slurm is not None and gpu.slurm.options == ("--gpus=1",)
    monkeypatch.setattr(workers.shutil, "which", lambda _: None)
    with pytest.raises(InputError, match=r"cluster.workers.where: slurm: there is no sbatch here"):
        find_workers(job())


def test_processes_of_one_job_divide_its_cores_and_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    announce_workers(SharedWork(count=4, where="machine"))
    found = find_workers(job())
    assert found is not None and found.slurm is None and found.threads == 4
    monkeypatch.setattr(workers, "available_memory", lambda: 4000)
    assert found.memory == 1000
    assert memory.available_memory() > 4000


@pytest.mark.parametrize(
    "wrong", [{"count": 0}, {"count": 2, "where": "cloud"}, {"count": 2, "rules": ["train_model"]}]
)
def test_what_cannot_be_shared_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SharedWork(**wrong)
