"""One large volume shared by several jobs: the result is that of one process, whoever of them is killed."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import yaml
import zarr
from analytic import disc_sinogram, write_scan
from cluster import Cluster
from test_cluster import jobs_of
from workspace import Workspace

from scan2seg.config.base import Plugin
from scan2seg.config.reconstruction import ReconstructionSettings
from scan2seg.config.scan_files import RawScan
from scan2seg.denoising.scan import denoise_scan
from scan2seg.hiring import hire
from scan2seg.reconstruction.scan import reconstruct_scan
from scan2seg.team import Team
from scan2seg.workers import SlurmRequest, Workers

pytestmark = pytest.mark.slurm
SIZE, SLICES = 512, 192
"""Six shards of 32 slices."""
RECONSTRUCTION = {"centre": 255.5}
DENOISING = [{"method": "non_local_means", "noise": 0.01}, {"method": "unsharp_mask"}]


def describe(workspace: Workspace) -> None:
    """Write an experiment that ends with the volume of a scan, and the scan."""
    degrees = np.linspace(0, 180, 41)
    disc = disc_sinogram(SIZE, np.deg2rad(degrees), 255.5, [(0, 0, 150, 0.01)])
    write_scan(workspace.folder / "scan.h5", np.broadcast_to(disc, (SLICES, *disc.shape)), degrees)
    source = {"kind": "scan", "projections": "../../scan.h5", "reconstruction": RECONSTRUCTION, "denoising": DENOISING}
    dataset = {"source": source, "classes": ["background", "disc"]}
    experiment = {"experiment": "tiny", "datasets": ["wide"], "models": []}
    (workspace.folder / "config" / "datasets" / "wide.yaml").write_text(yaml.safe_dump(dataset))
    (workspace.folder / "config" / "config.yaml").write_text(yaml.safe_dump(experiment))


def content(store: Path) -> dict[str, Any]:
    group = zarr.open_group(str(store), mode="r")
    return {name: np.asarray(array) for name, array in group.arrays()}


def wait_for(what: Callable[[], Any], run: subprocess.Popen[str] | None = None, seconds: float = 240) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := what()):
        if (run and run.poll() is not None) or time.monotonic() > deadline:
            pytest.fail(f"waited in vain: {run.communicate()[0] if run else what}")
        time.sleep(0.1)
    return found


def finished_parts(workspace: Workspace) -> int:
    """Count what the record of the volume that is being denoised says is finished."""
    records = (workspace.folder / "results" / "volumes").glob("*/.volume.zarr.*/.unfinished")
    return max((len(record.read_text().splitlines()) - 1 for record in records), default=-1)


def processes(name: str, within: str = "") -> list[psutil.Process]:
    """Return the processes whose command holds a name, and one of whose ancestors' commands holds another."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        try:
            above = [" ".join(parent.cmdline()) for parent in process.parents()] if within else [within]
        except psutil.Error:
            continue
        if name in " ".join(process.info["cmdline"] or []) and any(within in command for command in above):
            found.append(process)
    return found


def test_three_jobs_share_a_scan_and_killed_ones_cost_what_they_had_begun(
    cluster: Cluster, workspace: Workspace
) -> None:
    describe(workspace)
    profile = yaml.safe_load((workspace.folder / "workflow/profiles/slurm/config.yaml").read_text())
    sharing = {**profile["config"]["cluster"], "workers": {"count": 3}}
    config = {**profile["config"], "cluster": sharing}
    site = workspace.adapt_profile("sharing", config=config, **{"set-threads": {"denoise_scan": 2}})
    run = workspace.start(profile=site)
    wait_for(lambda: finished_parts(workspace) >= 1, run)
    os.kill(processes("spawn_main", within="denoise_scan")[0].pid, signal.SIGKILL)
    wait_for(lambda: finished_parts(workspace) >= 2, run)
    for process in processes("denoise_scan.py"):
        process.kill()
    output, _ = run.communicate(timeout=900)
    assert run.returncode == 0, output

    logs = workspace.folder / "results" / "logs"
    (said,) = (logs / "denoise_scan").glob("*.log")
    assert f"of {SLICES} are left" in said.read_text(), said.read_text()
    reconstructed, denoised = workspace.folder / "reconstructed.zarr", workspace.folder / "denoised.zarr"
    source = RawScan(projections=str(workspace.folder / "scan.h5"))
    reconstruct_scan(source, reconstructed, ReconstructionSettings(**RECONSTRUCTION), threads=2)
    denoise_scan(reconstructed, denoised, [Plugin("denoising").resolve(step) for step in DENOISING], threads=2)
    for folder, expected in (("reconstructions", reconstructed), ("volumes", denoised)):
        (store,) = (workspace.folder / "results" / folder).glob("*/volume.zarr")
        found, wanted = content(store), content(expected)
        assert found.keys() == wanted.keys()
        for name in wanted:
            np.testing.assert_array_equal(found[name], wanted[name], err_msg=f"{folder} {name}")

    workers = [job for job in cluster.jobs() if job["JobName"].endswith("_scan-worker")]
    assert {job["JobName"] for job in workers} == {"reconstruct_scan-worker", "denoise_scan-worker"}
    asked = {(job["Partition"], job["NumCPUs"], job["MinMemoryNode"]) for job in workers if "denoise" in job["JobName"]}
    # as much as the job, also when it is tried again
    assert asked <= {("cpu", "2", "8000M"), ("cpu", "2", "12.50G")} and asked, asked
    assert {job["JobState"] for job in jobs_of(cluster, workspace, "rule_denoise_scan")} == {"FAILED", "COMPLETED"}
    wait_for(lambda: not cluster.queue())
    assert not list((workspace.folder / "results").rglob(".workers-*"))
    assert not list((workspace.folder / "results").rglob("*.partial"))


@pytest.mark.slow
def test_a_worker_whose_job_is_cancelled_is_asked_for_anew(cluster: Cluster, tmp_path: Path) -> None:
    folder = tmp_path / "my results"
    folder.mkdir()
    workers = Workers(2, 1, SlurmRequest("lost-worker", folder / "logs", 500, 5, "cpu"))

    def asked() -> list[str]:
        return [job["JobId"] for job in cluster.jobs() if job["JobName"] == "lost-worker"]

    with hire(workers, folder) as (client, dask_cluster):
        team = Team(client, dask_cluster, workers)
        wait_for(lambda: len(dask_cluster.scheduler_info["workers"]) == 2)
        (first,) = asked()
        cluster.ask("scancel", first)
        wait_for(lambda: team._replace_lost() or len(asked()) == 2)
        wait_for(lambda: len(dask_cluster.scheduler_info["workers"]) == 2)
    wait_for(lambda: not cluster.queue())
    assert [path.name for path in folder.iterdir()] == ["logs"]
