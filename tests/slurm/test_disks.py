"""Disks that are full or read-only on a cluster: nothing is lost, and one more command finishes.

Every stage is tried with a full disk on one machine (``tests/workflow/test_faults.py``); here are the jobs of two.
"""

import json
import re

import pytest
from disks import on_its_own_disk
from workspace import Workspace

pytestmark = pytest.mark.slurm


def scores(workspace: Workspace) -> dict[str, object]:
    files = (workspace.folder / "results/runs").rglob("metrics.json")
    return {path.parts[-3]: {**json.loads(path.read_text()), "provenance": None} for path in files}


def test_a_full_disk_and_a_read_only_one_lose_nothing_and_one_more_command_finishes(finished: Workspace) -> None:
    expected = scores(finished)
    with on_its_own_disk(finished.folder) as disk:
        before = disk.snapshot()
        for stage, kind in (("denoise_scan", "denoisedvolume"), ("train_model", "")):
            outputs = finished.path_of("scan", kind) if kind else finished.path_of("otsu", "training") + "/seed0"
            disk.fill([finished.folder / outputs])
            result = finished.snakemake("--forcerun", stage, "--until", stage, "--retries", "0")
            disk.grow()
            assert result.status != 0
            said = set(re.findall(rf"{stage}: ERROR (.*)", result.output))
            assert said and all("the disk is full" in line for line in said), result.output
            assert disk.snapshot() == before, stage
        disk.remount("ro")
        result = finished.snakemake("--forcerun", "denoise_scan")
        assert result.status != 0 and "Read-only file system" in result.output and "Traceback" not in result.output
        assert disk.snapshot() == before
        disk.remount("rw")
        result = finished.snakemake()
        assert result.status == 0, result.output
        assert len(expected) == 2 and scores(finished) == expected
