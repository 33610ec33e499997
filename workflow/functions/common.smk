# The experiment, and what the rules share.
import os
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

sys.path.insert(0, str(Path(workflow.basedir) / "src"))

from scan2seg.config.experiment import load_experiment
from scan2seg.config.problems import ConfigurationError
from scan2seg.config.yaml_files import read_yaml
from scan2seg.imports import share_source, source_files
from scan2seg.memory import use_huge_pages
from scan2seg.plugins import module_name
from scan2seg.workflow_log import shorten_code_lists

shorten_code_lists()
share_source()
use_huge_pages()


# a default that is read although another file was given would leak its keys into that one
if not workflow.configfiles:

    configfile: "config/config.yaml"


CONFIG_FILE = str(workflow.configfiles[-1])
try:
    check = None
    if workflow.is_main_process:
        from scan2seg.validation import find_problems as check

        # Snakemake's own reading lets a key stand twice
        for file in workflow.configfiles:
            read_yaml(Path(file))
    EXPERIMENT = load_experiment(CONFIG_FILE, config, check)
    if workflow.is_main_process:
        from scan2seg.forecast import describe_needs, find_shortages

        shortages = list(find_shortages(EXPERIMENT, CONFIG_FILE))
        if shortages:
            raise ConfigurationError(shortages)
        print(*describe_needs(EXPERIMENT), sep="\n", file=sys.stderr)
except ConfigurationError as error:
    raise WorkflowError(str(error))
R = EXPERIMENT.settings.results
REPORT = f"{R}/reports/{EXPERIMENT.settings.experiment}"
# of a stack, patches are made; of new scans, volumes alone
STACKED = {**EXPERIMENT.datasets, **EXPERIMENT.pretraining}
SCANS = {**STACKED, **EXPERIMENT.new_scans}


wildcard_constraints:
    dataset="[a-z0-9][a-z0-9_-]*",
    scan="[a-z0-9][a-z0-9_-]*",
    patching="[a-z0-9][a-z0-9_-]*",
    model="[a-z0-9][a-z0-9_-]*",
    encoder="[a-z0-9][a-z0-9_-]*",
    replicate="[a-z0-9][a-z0-9_-]*",
    study="[a-z0-9][a-z0-9_-]*",
    trial="[a-z0-9][a-z0-9_-]*",
    experiment="[a-z0-9][a-z0-9_-]*",


def code(*modules):
    """List the source files a stage depends on; untracked ones stay inputs, so that switching reruns nothing."""
    files = source_files(*modules)
    return (
        files if EXPERIMENT.settings.track_code else [ancient(file) for file in files]
    )


def plugin(kind, settings):
    """Return the module of a plugin that settings name."""
    return module_name(kind, settings["method"])


def memory(base):
    """Ask for more memory each time a job is tried again."""
    return lambda wildcards, attempt: round(base * 1.6 ** (attempt - 1))


def minutes(base):
    """Ask for more time each time a job is tried again."""
    return lambda wildcards, attempt: base * attempt


def models_of(wildcards):
    """List the models that a job is about: its own, a study's, those of its pre-trained encoder, or else all of them."""
    if hasattr(wildcards, "study"):
        return [EXPERIMENT.studies[wildcards.study].model]
    if hasattr(wildcards, "model"):
        return list(filter(None, [EXPERIMENT.models.get(wildcards.model)]))
    if hasattr(wildcards, "encoder"):
        return pretrained_models(wildcards)
    return list(EXPERIMENT.models.values())


def recipe_threads(wildcards):
    return max(model.resources.threads for model in models_of(wildcards))


def model_resource(key):
    """Ask for what a model's file says, and more each time a job is tried again."""
    return lambda wildcards, attempt: round(
        max(getattr(model.resources, key) for model in models_of(wildcards))
        * 1.6 ** (attempt - 1)
    )


def gpu_count(wildcards):
    """Return how many GPUs a job's model wants; where it may be one of several, what the most wanting one does."""
    return max((model.resources.gpus for model in models_of(wildcards)), default=0)


def partition(wildcards):
    """Take the partition of a stage that needs no GPU from the profile, whatever model it is about."""
    return EXPERIMENT.settings.cluster.cpu_partition


def model_partition(wildcards):
    """Take the partition of a stage that runs a model from the profile."""
    cluster = EXPERIMENT.settings.cluster
    return cluster.gpu_partition if gpu_count(wildcards) else cluster.cpu_partition


def account(wildcards):
    return EXPERIMENT.settings.cluster.account


def gpus(style, every=False):
    """Ask for a GPU, or every one that the model wants, in the style that the site takes; nothing in any other."""

    def request(wildcards):
        count = gpu_count(wildcards) if every else min(gpu_count(wildcards), 1)
        if not count or EXPERIMENT.settings.cluster.gpu_request != style:
            return None
        return count if style == "gpu" else f"gpu:{count}"

    return request


def alternatives(names):
    """Make the constraint of a wildcard that may be one of these names, or nothing."""
    return "|".join(names) or "(?!)"


def report_files():
    return [
        f"{REPORT}/index.html",
        *([f"{REPORT}/mlflow.json"] if EXPERIMENT.models else []),
    ]


def study_files(name):
    """Name one file of every study on every dataset that has labels."""
    return [
        f"{R}/{dataset}/studies/{study}/{name}"
        for dataset in EXPERIMENT.datasets
        if EXPERIMENT.datasets[dataset].has_labels()
        for study in EXPERIMENT.studies
    ]


def volumes():
    """Name the final volume of every scan, and the files in other formats that are asked for."""
    return [
        f"{R}/{name}/scans/{scan}/{file}"
        for name, dataset in SCANS.items()
        for scan in dataset.scans()
        for file in ("denoised.zarr", *dataset.exports())
    ]


def stack_files():
    return [
        f"{R}/{name}/stack.zarr"
        for name, dataset in EXPERIMENT.datasets.items()
        if dataset.has_labels()
    ]


def segmentation_files():
    segment = EXPERIMENT.settings.segment
    files = ["labels.zarr", "summary.json"] + (
        ["labels.tif"] if segment and segment.tiff else []
    )
    return [
        f"{R}/segmentations/{scan}/{file}"
        for dataset in EXPERIMENT.new_scans.values()
        for scan in dataset.scans()
        for file in files
    ]
