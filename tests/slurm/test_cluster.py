"""A finished run on a real Slurm, and what follows it: what is asked for, refused, killed for memory; full disks."""

import json
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cluster import Cluster
from disks import on_its_own_disk
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


def wait_for(condition: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)


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


def scores(workspace: Workspace) -> dict[str, object]:
    files = (workspace.folder / "results/runs").rglob("metrics.json")
    return {path.parts[-3]: {**json.loads(path.read_text()), "provenance": None} for path in files}


# here, where nothing else has been added to the run
def test_a_full_disk_and_a_read_only_one_lose_nothing_and_one_more_command_finishes(finished: Workspace) -> None:
    # every stage is tried with a full disk on one machine (``tests/workflow/test_faults.py``); here, the jobs of two;
    # before further models are added, since the last command makes all that is not there
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
def test_one_model_is_trained_on_two_nodes(cluster: Cluster, finished: Workspace, style: str, count: int) -> None:
    name = f"spread_{style}{count}"
    # the GPUs of this cluster are none: the processes are told to compute without
    checkpoint = finished.add_model(name, {"devices": 2, "nodes": 2, "device": "cpu"}, gpus=count)
    site = {"cpu_partition": "cpu", "gpu_partition": "gpu", "gpu_request": style}
    before = len(jobs_of(cluster, finished))
    result = finished.snakemake(checkpoint, profile=finished.adapt_profile(name, config={"cluster": site}))
    assert result.status == 0, result.output
    (job,) = jobs_of(cluster, finished)[before:]
    assert (job["NumNodes"], job["NumTasks"], job["NodeList"]) == ("2", "2", "testnode[1-2]")
    # a number of the job, --gpus, is refused to the step on one node that the job is
    assert gpus(job) == (["TresPerNode=gres:gpu:1"] if count else [])
    training = json.loads((finished.folder / checkpoint).with_name("training.json").read_text())
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
