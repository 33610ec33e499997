"""The workflow on a real Slurm: what is asked for, what happens when jobs fail, and that nothing is left behind."""

import json
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from cluster import Cluster
from workspace import Workspace

pytestmark = pytest.mark.slurm
NETWORK = ("rule_train_model/unet-", "group_apply-unet-")


def jobs_of(cluster: Cluster, workspace: Workspace, text: str = "") -> list[dict[str, str]]:
    """Return the jobs that were submitted from the workspace and whose log's path holds the text, with their rule."""
    logs = workspace.folder / ".snakemake" / "slurm_logs"
    jobs = [job for job in cluster.jobs() if job["StdOut"].startswith(str(logs)) and text in job["StdOut"]]
    return [{**job, "rule": Path(job["StdOut"]).relative_to(logs).parts[0].removeprefix("rule_")} for job in jobs]


def gpus(job: dict[str, str]) -> list[str]:
    """Return how a job asked for GPUs: for the job (--gpus) or for its node (--gres)."""
    return [f"{key}={value}" for key, value in job.items() if key.startswith("Tres") and "gpu" in value]


def test_whole_run_goes_through_slurm_to_the_report(cluster: Cluster, finished: Workspace) -> None:
    report = finished.folder / "results" / "reports" / "tiny" / "index.html"
    assert report.stat().st_size > 10_000

    jobs = jobs_of(cluster, finished)
    assert {job["JobState"] for job in jobs} == {"COMPLETED"}
    rules = [job["rule"] for job in jobs]
    assert {*rules} >= {"simulate_scan", "reconstruct_scan", "denoise_scan", "render_report", "log_to_mlflow"}
    for job in jobs:
        network = any(part in job["StdOut"] for part in NETWORK)
        assert job["Partition"] == ("gpu" if network else "cpu"), job
        assert gpus(job) == (["TresPerJob=gres:gpu:1"] if network else []), job
        assert Path(job["StdOut"]).is_file(), "the logs of successful jobs are kept"
    training = jobs_of(cluster, finished, "rule_train_model/unet-")[0]
    assert (training["MinMemoryNode"], training["TimeLimit"]) == ("3000M", "00:10:00")


def test_a_run_is_predicted_scored_and_timed_in_one_submission(cluster: Cluster, finished: Workspace) -> None:
    jobs = jobs_of(cluster, finished)
    assert not {"predict_stack", "score_prediction", "time_inference"} & {job["rule"] for job in jobs}
    groups = [job for job in jobs if job["rule"].startswith("group_apply-")]
    # one of each model, and as many trainings: six stages of the two models would be eight submissions
    assert len(groups) == 2 == len([job for job in jobs if job["rule"] == "train_model"])
    for job in groups:
        # one after the other: the times add up, the rest is the largest
        assert (job["TimeLimit"], job["MinMemoryNode"], job["NumCPUs"]) == ("04:00:00", "3000M", "1"), job
    stages = {
        path.parts[0]
        for path in (finished.folder / "results/logs").glob("*/*-*/*.log")
        for path in [path.relative_to(finished.folder / "results/logs")]
    }
    assert stages >= {"predict_stack", "score_prediction", "time_inference"}


def test_second_run_submits_nothing_and_neither_does_switching_code_tracking(
    cluster: Cluster, finished: Workspace
) -> None:
    before = len(jobs_of(cluster, finished))
    assert finished.snakemake().status == 0
    untracked = finished.adapt_profile(
        "untracked", config={"track_code": False}, **{"rerun-triggers": ["mtime", "params", "input"]}
    )
    result = finished.snakemake(profile=untracked)
    assert result.status == 0, result.output
    assert len(jobs_of(cluster, finished)) == before


def test_a_site_that_takes_gres(cluster: Cluster, finished: Workspace) -> None:
    checkpoint = finished.add_model("second")
    site = {"cpu_partition": "cpu", "gpu_partition": "gpu", "gpu_request": "gres"}
    result = finished.snakemake(checkpoint, profile=finished.adapt_profile("gres", config={"cluster": site}))
    assert result.status == 0, result.output
    (job,) = jobs_of(cluster, finished, checkpoint.split("/")[2])
    assert job["Partition"] == "gpu"
    assert gpus(job) == ["TresPerNode=gres:gpu:1"]


def test_a_refused_submission_leaves_what_was_there(cluster: Cluster, finished: Workspace) -> None:
    before = {path: path.read_bytes() for path in finished.folder.glob("results/stacks/*/splits/*.json")}
    stores = [path for path in finished.folder.glob("results/stacks/*/stack.zarr") if (path / "zarr.json").exists()]
    nowhere = {"cpu_partition": "nowhere", "gpu_partition": "nowhere", "gpu_request": "gpu"}
    profile = finished.adapt_profile("refused", config={"cluster": nowhere})
    result = finished.snakemake("--forcerun", "assemble_stack", "--retries", "0", profile=profile)
    assert result.status != 0 and "invalid partition specified: nowhere" in result.output
    assert before and {path: path.read_bytes() for path in before} == before
    assert stores and all((path / "zarr.json").exists() for path in stores)


def test_job_killed_for_memory_is_tried_again_with_more(cluster: Cluster, finished: Workspace) -> None:
    checkpoint = finished.add_model("greedy", mem_mb=650)
    result = finished.snakemake(checkpoint)
    jobs = jobs_of(cluster, finished, checkpoint.split("/")[2])
    assert jobs[0]["JobState"] != "COMPLETED", "650 MB were enough: lower the test's request"
    assert "exceeded memory limit" in Path(jobs[0]["StdOut"]).read_text()
    assert jobs[-1]["JobState"] == "COMPLETED", result.output
    memory = [int(job["MinMemoryNode"].removesuffix("M")) for job in jobs]
    assert memory[:2] == [650, 1040]
    assert jobs[1]["TimeLimit"] > jobs[0]["TimeLimit"]
    assert result.status == 0, result.output
    assert (finished.folder / checkpoint).is_file()


@pytest.mark.parametrize(
    ("style", "count"),
    [pytest.param("gpu", 0, marks=pytest.mark.slow), ("gpu", 2), pytest.param("gres", 2, marks=pytest.mark.slow)],
)
def test_one_model_is_trained_on_two_nodes(cluster: Cluster, workspace: Workspace, style: str, count: int) -> None:
    # the GPUs of this cluster are none: the processes are told to compute without
    checkpoint = workspace.add_model("spread", {"devices": 2, "nodes": 2, "device": "cpu"}, gpus=count)
    workspace.prepare(workspace.path_of("tiny", "patches"))
    site = {"cpu_partition": "cpu", "gpu_partition": "gpu", "gpu_request": style}
    result = workspace.snakemake(checkpoint, profile=workspace.adapt_profile("spread", config={"cluster": site}))
    assert result.status == 0, result.output
    (job,) = jobs_of(cluster, workspace)
    assert (job["NumNodes"], job["NumTasks"], job["NodeList"]) == ("2", "2", "testnode[1-2]")
    # a number of the job, --gpus, is refused to the step on one node that the job is
    assert gpus(job) == (["TresPerNode=gres:gpu:1"] if count else [])
    training = json.loads((workspace.folder / checkpoint).with_name("training.json").read_text())
    assert training["nodes"] == ["testnode1", "testnode2"] and training["devices"] == 2


@pytest.mark.slow
def test_memory_grows_no_further_than_the_site_has_and_then_the_run_ends(cluster: Cluster, finished: Workspace) -> None:
    checkpoint = finished.add_model("capped", mem_mb=600)
    site = {"cpu_partition": "cpu", "gpu_partition": "gpu", "gpu_request": "gpu", "max_mem_mb": 650}
    profile = finished.adapt_profile("capped", config={"cluster": site})
    result = finished.snakemake(checkpoint, "--retries", "2", profile=profile)
    jobs = jobs_of(cluster, finished, checkpoint.split("/")[2])
    assert result.status != 0
    assert [job["MinMemoryNode"] for job in jobs] == ["600M", "650M", "650M"]
    assert all("exceeded memory limit" in Path(job["StdOut"]).read_text() for job in jobs)
    assert jobs[-1]["StdOut"] in result.output and not (finished.folder / checkpoint).exists()
    # one more command, where more may be asked for
    assert finished.snakemake(checkpoint, "--set-resources", "train_model:mem_mb=3000").status == 0
    assert (finished.folder / checkpoint).is_file()


def test_memory_that_no_node_has_is_refused_and_that_of_a_limited_partition_waits(
    cluster: Cluster, finished: Workspace
) -> None:
    checkpoint = finished.add_model("vast", mem_mb=64001)
    result = finished.snakemake(checkpoint, "--retries", "0")
    assert result.status != 0 and "Memory specification can not be satisfied" in result.output
    with cluster.limiting("cpu", "MaxMemPerNode", "4000"):
        job = cluster.ask("sbatch", "--parsable", "--partition=cpu", "--mem=4001M", "--output=/dev/null", "--wrap=true")
        wait_for(
            lambda: (
                cluster.ask("squeue", "--noheader", "--format=%r", "--jobs", job.strip()).strip() == "MaxMemPerLimit"
            )
        )
        cluster.ask("scancel", job.strip())


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


def wait_for(condition: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)


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
    scans = ", ".join(f"{name}: {{size: 64, rows: 3000, seed: {seed}}}" for seed, name in enumerate("abcdefgh"))
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
    assert {job["JobState"] for job in jobs_of(cluster, workspace)} == {"CANCELLED"}
    assert not list(workspace.folder.glob("results/simulations/*/projections.h5"))
