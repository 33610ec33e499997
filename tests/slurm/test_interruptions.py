"""Runs on a real Slurm that are cut short, and jobs that fail: nothing is done twice, and nothing is left behind."""

import re
import signal
import subprocess
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from cluster import Cluster
from test_cluster import jobs_of, wait_for
from workspace import Workspace

pytestmark = pytest.mark.slurm


def test_failing_job_shows_its_log_and_leaves_nothing_that_looks_finished(
    cluster: Cluster, workspace: Workspace
) -> None:
    simulation = workspace.path_of("scan", "simulation")
    workspace.prepare(simulation)
    projections = workspace.folder / simulation
    with projections.open("r+b") as file:
        file.truncate(projections.stat().st_size // 2)

    result = workspace.snakemake("--retries", "0")
    assert result.status != 0
    volume = Path(workspace.path_of("scan", "reconstruction"))
    log = f"results/logs/reconstruct_scan/{volume.parent.name}.log"
    assert log in result.output
    (said,) = re.findall("ERROR .*", (workspace.folder / log).read_text())
    # the log of a failed job is shown at the end
    assert "projections.h5" in said and said in result.output
    (job,) = jobs_of(cluster, workspace, "rule_reconstruct_scan")
    assert job["JobState"] == "FAILED"
    assert job["StdOut"] in result.output
    assert "Traceback" not in Path(job["StdOut"]).read_text()
    assert not list((workspace.folder / volume.parent).glob("*"))
    assert not (workspace.folder / "results" / "reports").exists()


def start_simulation(cluster: Cluster, workspace: Workspace) -> subprocess.Popen[str]:
    """Submit the simulation of a scan that takes a while, and wait until its job works."""
    dataset = workspace.folder / "config" / "datasets" / "tiny.yaml"
    dataset.write_text(dataset.read_text().replace("rows: 10", "rows: 700"))
    process = workspace.start(workspace.path_of("scan", "simulation"))
    # a job that runs still asks the controller for its step; after that it needs it no more
    logs = workspace.folder / "results" / "logs"
    wait_for(lambda: any("started" in path.read_text() for path in logs.rglob("*.log")))
    return process


def read_projections(path: Path) -> np.ndarray:
    with h5py.File(path) as file:
        return file["exchange/data"][:]


def test_a_run_outlasts_a_controller_that_is_restarted(cluster: Cluster, workspace: Workspace) -> None:
    process = start_simulation(cluster, workspace)
    with cluster.without_controller():
        time.sleep(45)
    output, _ = process.communicate(timeout=200)
    assert process.returncode == 0, output
    assert "Slurm does not answer" in output and "Slurm answers again" in output
    assert [job["JobState"] for job in jobs_of(cluster, workspace)] == ["COMPLETED"]


@pytest.mark.slow
def test_the_job_of_a_node_that_fails_is_done_by_another(cluster: Cluster, workspace: Workspace) -> None:
    process = start_simulation(cluster, workspace)
    (job,) = jobs_of(cluster, workspace)
    with cluster.without_node(job["NodeList"]):
        output, _ = process.communicate(timeout=600)
    assert process.returncode == 0, output
    (again,) = jobs_of(cluster, workspace)
    assert (again["JobState"], again["Restarts"]) == ("COMPLETED", "1"), again
    assert again["NodeList"] != job["NodeList"]
    made = workspace.folder / workspace.path_of("scan", "simulation")
    projections = read_projections(made)
    made.unlink()
    workspace.prepare(workspace.path_of("scan", "simulation"))
    assert np.array_equal(read_projections(made), projections)


def test_a_job_whose_snakemake_died_is_not_submitted_twice(cluster: Cluster, workspace: Workspace) -> None:
    process = start_simulation(cluster, workspace)
    process.kill()
    process.wait()
    result = workspace.snakemake(workspace.path_of("scan", "simulation"))
    assert result.status == 0, result.output
    assert "of an earlier run is running" in result.output
    assert [job["JobState"] for job in jobs_of(cluster, workspace)] == ["COMPLETED"]


def test_interrupt_cancels_what_was_submitted(cluster: Cluster, workspace: Workspace) -> None:
    dataset = workspace.folder / "config" / "datasets" / "tiny.yaml"
    # each a matter of half an hour, so that none is at its end before the interrupt arrives, on any machine
    scan = "size: 64, rows: 3000, projections: 2500"
    scans = ", ".join(f"{name}: {{{scan}, seed: {seed}}}" for seed, name in enumerate("abcdefgh"))
    text = dataset.read_text()
    start, end = text.index("  scans:"), text.index("  denoising:")
    dataset.write_text(f"{text[:start]}  scans: {{{scans}}}\n{text[end:]}")

    # more than both nodes take at once
    process = workspace.start("--jobs", "8")
    states: set[str] = set()
    deadline = time.monotonic() + 60
    while not states >= {"RUNNING", "PENDING"} and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.2)
        states = {job["JobState"] for job in jobs_of(cluster, workspace)}
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert states >= {"RUNNING", "PENDING"}, f"{states}\n{output}"
    assert process.returncode != 0
    deadline = time.monotonic() + 20
    while cluster.queue() and time.monotonic() < deadline:
        time.sleep(0.2)
    assert cluster.queue() == []
    ended = [(job["rule"], job["JobState"], job["StartTime"], job["EndTime"]) for job in jobs_of(cluster, workspace)]
    assert {state for _, state, *_ in ended} == {"CANCELLED"}, f"{ended}\n{output}"
    assert not list(workspace.folder.glob("results/simulations/*/projections.h5"))
