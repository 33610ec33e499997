"""Which jobs ask for a GPU, and that those of one machine run one after the other, unless more are allowed."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from pipeline import Pipeline

from scan2seg.device import may_have_gpu

SNAKEFILE = """
from scan2seg.workflow_outputs import keep_outputs

keep_outputs(workflow)


rule all:
    input: "a", "b"


rule take:
    output: "{name}"
    resources: gpu=1
    shell: "date +%s.%N > {output}; sleep 1.5; date +%s.%N >> {output}"
"""


@pytest.mark.parametrize(("options", "together"), [((), False), (("--resources", "gpu=2"), True)])
def test_two_jobs_share_a_gpu_only_where_that_is_asked_for(
    tmp_path: Path, options: tuple[str, ...], together: bool
) -> None:
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    command = [sys.executable, "-m", "snakemake", "-c8", *options]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    (one, two) = sorted([float(line) for line in (tmp_path / name).read_text().split()] for name in "ab")
    assert (two[0] < one[1]) == together


OF_A_MODEL = {
    "pretrain_encoder", "train_model", "tune_model", "plan_inference", "predict_stack", "score_parts", "time_inference",
    "map_saliency", "segment_scan", "segment_files",
}  # fmt: skip
OF_A_VOLUME = {"reconstruct_scan", "denoise_scan"}


def dry_run(pipeline: Pipeline, style: str) -> list[str]:
    """Return what a dry run on a site that takes GPUs in this style says of each job."""
    profile = pipeline.folder / "workflow/profiles/slurm/config.yaml"
    profile.write_text(re.sub("gpu_request: .*", f"gpu_request: {style}", profile.read_text()))
    result = pipeline.run("-n", "--profile", "workflow/profiles/slurm")
    assert result.returncode == 0, result.stdout + result.stderr
    return re.split(r"\n(?= *rule )", result.stdout)[1:]


def requests(pipeline: Pipeline, style: str) -> dict[tuple[str, str], tuple[str | None, str | None]]:
    """Return what each job asks for: (rule, name of what it makes) to its GPUs and its partition."""
    found = {}
    for block in dry_run(pipeline, style):
        rule, output = re.search(r"rule (\w+):", block), re.search(r"output: results/\w+/([a-z0-9]+)", block)
        partition, gpus = re.search(r"slurm_partition=(\w+)", block), re.search(r"\b(?:gpu|gres)=([\w:]+)", block)
        if rule and output:
            found[rule[1], output[1]] = gpus and gpus[1], partition and partition[1]
    return found


def test_no_job_asks_slurm_for_a_gpu_where_no_setting_does(tmp_path: Path) -> None:
    found = requests(Pipeline(tmp_path, "whole"), "gpu")
    assert {rule for rule, _ in found} == {path.stem for path in tmp_path.glob("workflow/scripts/*.py")}
    assert set(found.values()) == {(None, "cpu")}


@pytest.mark.parametrize(("style", "form"), [("gpu", "{}"), ("gres", "gpu:{}"), ("none", None)])
def test_the_jobs_that_ask_slurm_for_a_gpu_are_those_of_a_model_or_volume_that_needs_one(
    tmp_path: Path, style: str, form: str | None
) -> None:
    made = Pipeline(tmp_path, "whole")
    models, datasets = made.folder / "config/models", made.folder / "config/datasets"
    for model in (models / "started.yaml", models / "small.yaml"):
        text = model.read_text().replace("gpus: 0", "gpus: 2").replace("epochs: 2,", "epochs: 2, devices: 2,")
        model.write_text(text + "inference: {plan: {keys: [batch_size]}}\n")
    experiment = tmp_path / "config/experiments/whole.yaml"
    experiment.write_text(experiment.read_text().replace("{model: levels, sampler", "{model: small, sampler"))
    text = (datasets / "pillar.yaml").read_text()
    needing = "[{method: non_local_means, device: cuda}]\n  reconstruction: {device: cuda}"
    (datasets / "pillar.yaml").write_text(text.replace("[{method: gaussian, radius: 0.7}]", needing))

    found = requests(made, style)
    one, two = (form and form.format(count) for count in (1, 2))
    for (rule, name), (gpus, partition) in found.items():
        every = rule in ("train_model", "tune_model")
        needs = (rule in OF_A_MODEL and name != "planned") or (rule in OF_A_VOLUME and name == "tiny")
        assert gpus == ((two if every else one) if needs else None), (rule, name)
        # scores are computed where the model is applied, in one submission
        beside = rule == "score_prediction" and name == "started"
        assert partition == ("gpu" if needs or beside else "cpu"), (rule, name)
    assert {rule for (rule, _), (_, partition) in found.items() if partition == "gpu"} == (
        OF_A_MODEL | OF_A_VOLUME | {"score_prediction"}
    )


@pytest.mark.parametrize(
    ("style", "asked"),
    [("gpu", {"nodes=2", "gres=gpu:1"}), ("gres", {"nodes=2", "gres=gpu:1"}), ("none", {"nodes=2", "tasks=2"})],
)
def test_a_model_on_two_nodes_asks_for_them_and_for_its_gpus_on_each(
    tmp_path: Path, style: str, asked: set[str]
) -> None:
    made = Pipeline(tmp_path, "whole")
    model = tmp_path / "config/models/started.yaml"
    text = model.read_text().replace("gpus: 0", "gpus: 2").replace("epochs: 2,", "epochs: 2, devices: 2, nodes: 2,")
    model.write_text(text)
    for block in dry_run(made, style):
        wanted = set(re.findall(r"\b(?:nodes|tasks|gpu|gres)=[\w:]+", block.partition("resources:")[2]))
        if "rule train_model" in block:
            assert wanted == (asked if "runs/started-" in block else {"nodes=1"})
        else:
            assert "nodes=2" not in wanted and "tasks=2" not in wanted


def with_a_driver(*command: str) -> list[str]:
    """Return a command that finds the folder of a driver, as where there is a GPU, and nobody else does."""
    if may_have_gpu():
        return [*command]
    if os.geteuid() != 0 or not Path("/proc/driver").is_dir():
        pytest.skip("to show a driver that is not there needs root and /proc/driver, or a GPU")
    mount = 'mount -t tmpfs driver /proc/driver && mkdir /proc/driver/nvidia && exec "$@"'
    return ["unshare", "--mount", "sh", "-c", mount, "sh", *command]


@pytest.mark.slow
def test_two_stages_share_a_gpu_of_this_machine_only_where_that_is_asked_for(tmp_path: Path) -> None:
    made = Pipeline(tmp_path, "whole")
    assert made.run("--until", "simulate_scan").returncode == 0
    # both scans can be reconstructed at once, but for the GPU that `device: auto` would take
    words = ("--until", "reconstruct_scan", "--forcerun", "reconstruct_scan", "--set-threads", "reconstruct_scan=1")
    for options, started in (((), ["1", "1"]), (("--resources", "gpu=2"), ["2"])):
        command = with_a_driver(*made.command(*words, "--cores", "8", *options))
        result = subprocess.run(command, cwd=tmp_path, env=made.env, capture_output=True, text=True, check=False)
        output = result.stdout + result.stderr
        assert result.returncode == 0, output
        assert re.findall(r"Execute (\d+) jobs", output) == started, output
