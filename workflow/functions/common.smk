# The experiment, everything that it makes, and what the rules ask of it.
import os
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

sys.path.insert(0, str(Path(workflow.basedir) / "src"))

from scan2seg.catalogue import Catalogue, Patches, Split, Stack
from scan2seg.config.experiment import load_experiment
from scan2seg.config.problems import ConfigurationError
from scan2seg.config.yaml_files import read_yaml
from scan2seg.errors import InputError
from scan2seg.imports import script_modules, share_source, source_files
from scan2seg.logging import warn_once
from scan2seg.memory import use_huge_pages
from scan2seg.plugins import module_name
from scan2seg.results_folder import check_results
from scan2seg.slurm.plugin import extend_plugin
from scan2seg.sources import list_once
from scan2seg.workflow_log import shorten_code_lists
from scan2seg.workflow_outputs import announce, keep_outputs

keep_outputs(workflow)
if workflow.is_main_process:
    extend_plugin()
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
        warn_once()
        list_once()
        from scan2seg.validation import find_problems as check

        # Snakemake's own reading lets a key stand twice
        for file in workflow.configfiles:
            read_yaml(Path(file))
    EXPERIMENT = load_experiment(CONFIG_FILE, config, check)
    CATALOGUE = Catalogue(EXPERIMENT)
    if workflow.is_main_process:
        from scan2seg.forecast import describe_needs, find_shortages

        check_results(EXPERIMENT.settings.results)
        shortages = list(find_shortages(EXPERIMENT, CONFIG_FILE))
        if shortages:
            raise ConfigurationError(shortages)
        print(*describe_needs(EXPERIMENT), sep="\n", file=sys.stderr)
except (ConfigurationError, InputError) as error:
    raise WorkflowError(str(error))
R = EXPERIMENT.settings.results
REPORT = f"{R}/reports/{EXPERIMENT.settings.experiment}"
if workflow.is_main_process:
    announce(workflow, REPORT, CATALOGUE.report_content()["things"])
FOLDER = "[a-z0-9][a-z0-9_-]*-[0-9a-f]{8}"


wildcard_constraints:
    simulation=FOLDER,
    reconstruction=FOLDER,
    volume=FOLDER,
    stack=FOLDER,
    split="[0-9a-f]{8}",
    patching=FOLDER,
    encoder=FOLDER,
    run=FOLDER,
    replicate="[a-z0-9][a-z0-9_-]*",
    # of the default settings of inference, predictions lie beside the checkpoint; of others below it
    applied="[a-z0-9][a-z0-9_-]*(/inference-[0-9a-f]{8})?",
    # of scores on training and validation images, of which there are as many files as ways to draw them
    parts="parts-[0-9a-f]{8}",
    trials=FOLDER,
    trial="[a-z0-9][a-z0-9_-]*",
    search=FOLDER,
    segmentation=FOLDER,


def thing(wildcards):
    """Return what a job makes or is about: the wildcard that is a NAME-KEY tells."""
    for kind, things in CATALOGUE.by_wildcard.items():
        if hasattr(wildcards, kind):
            name = getattr(wildcards, kind)
            if name not in things:
                raise WorkflowError(
                    f"{name}: is nothing that {CONFIG_FILE} makes; "
                    f"`scan2seg where {CONFIG_FILE}` lists what it does"
                )
            return things[name]


def path_of(*things):
    """Return the paths of things, or the only one."""
    paths = [f"{R}/{item.path}" for item in things]
    return paths[0] if len(paths) == 1 else paths


def stack_of(wildcards):
    return path_of(thing(wildcards).nearest(Stack))


def split_of(wildcards):
    return path_of(thing(wildcards).nearest(Split))


def patches_of(wildcards):
    return path_of(thing(wildcards).nearest(Patches))


def code(stage, *modules):
    """List the source files of a stage: what its script imports, and modules that only its settings name.

    Untracked ones stay inputs, so that switching reruns nothing.
    """
    script = Path(workflow.basedir) / "workflow" / "scripts" / f"{stage}.py"
    files = source_files(*script_modules(script), *modules)
    return (
        files if EXPERIMENT.settings.track_code else [ancient(file) for file in files]
    )


def code_of(stage):
    """List the source files of a stage with the plugins and readers of what it makes."""
    return lambda wildcards: code(
        stage, *CATALOGUE.dependencies(thing(wildcards)).modules
    )


def files_of(wildcards):
    """List the data files, beside other things, that what a job makes depends on."""
    return CATALOGUE.dependencies(thing(wildcards)).files


def listing_of(wildcards):
    """Return a fingerprint of the files, and of what is in folders and among too many to be inputs."""
    return CATALOGUE.dependencies(thing(wildcards)).listing


def memory(base):
    """Ask for more memory each time a job is tried again."""
    return lambda wildcards, attempt: round(base * 1.6 ** (attempt - 1))


def minutes(base):
    """Ask for more time each time a job is tried again."""
    return lambda wildcards, attempt: base * attempt


def recipe_threads(wildcards):
    return max(
        model.resources.threads for model in CATALOGUE.models_of(thing(wildcards))
    )


def model_resource(key):
    """Ask for what a model's file says, and more each time a job is tried again."""
    return lambda wildcards, attempt: round(
        max(
            getattr(model.resources, key)
            for model in CATALOGUE.models_of(thing(wildcards))
        )
        * 1.6 ** (attempt - 1)
    )


def gpu_count(wildcards):
    """Return how many GPUs a job's model wants; where it may be one of several, what the most wanting one does."""
    models = CATALOGUE.models_of(thing(wildcards))
    return max((model.resources.gpus for model in models), default=0)


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


def run_files(name, trained=False):
    """Name one file of every run, in the folder of its predictions; of ensembles too unless only the trained ones."""
    runs = [
        run for run in CATALOGUE.runs if run.model in EXPERIMENT.models or not trained
    ]
    return list(dict.fromkeys(f"{R}/{run.applied}/{name}" for run in runs))


def training_files(name):
    """Name one file of every training, in the folder of its checkpoint."""
    runs = [run for run in CATALOGUE.runs if run.model in EXPERIMENT.models]
    return list(dict.fromkeys(f"{R}/{run.folder}/{name}" for run in runs))


def report_files():
    if not EXPERIMENT.models:
        return [f"{REPORT}/index.html"]
    names = ["index.html", "scores.csv", "tables.md", "mlflow.json", "runs"]
    # what the report is made of and links to is a target, so that what is lost is made again
    return [
        *(f"{REPORT}/{name}" for name in names),
        *run_parts(),
        *training_files("checkpoint.pt"),
        *run_files("prediction.zarr"),
        *training_files("history.csv"),
    ]


def run_parts():
    """Name the small files of all runs: scores, timing, and what training says of itself."""
    return [
        *run_files("metrics.json"),
        *run_files("per_image.csv"),
        *run_files("timing.json", trained=True),
        *training_files("training.json"),
        *part_scores(),
    ]


def part_scores():
    """Name the scores of trained models on training and validation images, where they are asked for."""
    return list(
        dict.fromkeys(f"{R}/{run.parts}" for run in CATALOGUE.runs if run.parts)
    )


def segmentation_files():
    segment = EXPERIMENT.settings.segment
    names = ["labels.zarr", "summary.json"]
    names += ["labels.tif"] if segment and segment.tiff else []
    folders = CATALOGUE.segmentations
    return [
        f"{R}/segmentations/{folder}/{name}" for folder in folders for name in names
    ]
