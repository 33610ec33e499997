# The experiment, everything that it makes, and what the rules ask of it.
import os
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

sys.path.insert(0, str(Path(workflow.basedir) / "src"))

from scan2seg.memory import collect_rarely, use_huge_pages

# before all else, which makes many objects
collect_rarely()

from scan2seg.catalogue import Catalogue, Patches, Split, Stack, Training
from scan2seg.catalogue.segmentations import FileSegmentation, Segmentation
from scan2seg.catalogue.volumes import DenoisedVolume, Reconstruction
from scan2seg.code_listing import listing_path, write_listing
from scan2seg.config.experiment import load_experiment
from scan2seg.config.problems import ConfigurationError
from scan2seg.config.yaml_files import read_yaml
from scan2seg.device import may_have_gpu
from scan2seg.errors import InputError
from scan2seg.imports import script_modules, share_source
from scan2seg.logging import warn_once
from scan2seg.plugins import module_name
from scan2seg.remaining import remaining_minutes
from scan2seg.results_folder import check_results
from scan2seg.slurm.plugin import extend_plugin
from scan2seg.sources import list_once
from scan2seg.watchdog import announce_limit
from scan2seg.workers import announce_workers, check_workers
from scan2seg.workflow_log import name_changed_code
from scan2seg.workflow_outputs import announce, is_local, keep_outputs

keep_outputs(workflow)
if workflow.is_main_process:
    extend_plugin()
name_changed_code()
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
        check_workers(EXPERIMENT.settings.cluster.workers)
        shortages = list(find_shortages(EXPERIMENT, CONFIG_FILE))
        if shortages:
            raise ConfigurationError(shortages)
        print(*describe_needs(EXPERIMENT), sep="\n", file=sys.stderr)
except (ConfigurationError, InputError) as error:
    raise WorkflowError(str(error))
R = EXPERIMENT.settings.results
CLUSTER = EXPERIMENT.settings.cluster
if CLUSTER.container:

    container: CLUSTER.container


announce_limit(CLUSTER.stalled_minutes, CLUSTER.end_stalled)
announce_workers(CLUSTER.workers)
REPORT = f"{R}/reports/{EXPERIMENT.settings.experiment}"
if workflow.is_main_process:
    announce(workflow, REPORT, CATALOGUE.report_content["things"])
# predict, score and time one run in one submission: on Slurm three times as many would wait in the queue
APPLICATION = "apply-{run}"
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
    """Name the listing of a stage's source files: what its script imports, and modules that only its settings name.

    An untracked one stays an input, so that switching reruns nothing.
    """
    listing = listing_path(stage, modules)
    if workflow.is_main_process:
        script = Path(workflow.basedir) / "workflow" / "scripts" / f"{stage}.py"
        write_listing(listing, (*script_modules(script), *modules))
    return listing if EXPERIMENT.settings.track_code else ancient(listing)


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
    """Ask for more memory each time a job is tried again, up to what the site has."""
    return lambda wildcards, attempt: grow(base, attempt, CLUSTER.max_mem_mb)


def grow(base, attempt, limit):
    """Return what the next try asks for: 1.6 times as much, but no more than the limit unless it began there."""
    wanted = round(base * 1.6 ** (attempt - 1))
    return wanted if limit is None else max(base, min(wanted, limit))


def minutes(base):
    """Ask for more time each time a job is tried again."""
    return lambda wildcards, attempt: base * attempt


def recipe_threads(wildcards):
    return max(
        model.resources.threads for model in CATALOGUE.models_of(thing(wildcards))
    )


def model_resource(key):
    """Ask for what a model's file says, and more each time a job is tried again."""
    limit = CLUSTER.max_mem_mb if key == "mem_mb" else None

    def request(wildcards, attempt):
        models = CATALOGUE.models_of(thing(wildcards))
        return grow(
            max(getattr(model.resources, key) for model in models), attempt, limit
        )

    return request


def runs_here():
    """Tell whether jobs run on this machine and not on Slurm, or would but for a dry run."""
    return workflow.is_main_process and is_local(workflow, workflow.executor_plugin)


def gpu_count(wildcards):
    """Return how many GPUs a job wants: of the models that it may be about, the most wanting one's; a volume one.

    On this machine a job counts that would take a GPU if there is one, for it will not ask.
    """
    made = thing(wildcards)
    here = runs_here()
    if isinstance(made, (Reconstruction, DenoisedVolume)):
        return int(made.device == "cuda" or (here and made.device == "auto"))
    models = CATALOGUE.models_of(made)
    wanted = max((model.resources.gpus for model in models), default=0)
    taken = here and any(model.training.device != "cpu" for model in models)
    return max(wanted, int(taken))


def node_count(wildcards):
    """Return on how many nodes a model is trained."""
    return max(model.training.nodes for model in CATALOGUE.models_of(thing(wildcards)))


def task_count(wildcards):
    """Ask for a task a node: to the only task of a job without GPUs Slurm gives one node."""
    with_gpus = CLUSTER.gpu_request != "none" and gpu_count(wildcards)
    return None if with_gpus or node_count(wildcards) == 1 else node_count(wildcards)


def own_partition(wildcards):
    """Take the partition of a stage that may want a GPU from the profile."""
    return CLUSTER.gpu_partition if gpu_count(wildcards) else CLUSTER.cpu_partition


def scoring_partition(wildcards):
    """Score where the model is applied, in one submission; an ensemble needs no GPU."""
    trained = isinstance(thing(wildcards), Training)
    return own_partition(wildcards) if trained else CLUSTER.cpu_partition


def gpus(style, every=False):
    """Ask for a GPU, or every one that is wanted, in the style that the site takes; nothing in any other.

    On several nodes always as gres, a number on each: of --gpus, the number of the job, Slurm may give one node more
    than another, and refuses it to the step that the job itself is, which is on one node.
    GPUs of this machine are counted as well, so that no two jobs share one unasked.
    """
    taken = CLUSTER.gpu_request
    spread = every and style == "gres" and taken == "gpu"
    if taken != style and not spread and not (style == "gpu" and may_have_gpu()):
        return None

    def request(wildcards):
        count, nodes = gpu_count(wildcards), node_count(wildcards) if every else 1
        count = count if every else min(count, 1)
        form = "gres" if taken == "gpu" and nodes > 1 and not runs_here() else taken
        if not count or (form != style and not (style == "gpu" and runs_here())):
            return None
        return count if style == "gpu" else f"gpu:{-(-count // nodes)}"

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
    """Name the report and what it is made of and links to: targets all, so that what is lost is made again."""
    if not EXPERIMENT.models:
        return [f"{REPORT}/index.html"]
    names = ["index.html", "scores.csv", "tables.md", "mlflow.json", "runs"]
    return [
        *(f"{REPORT}/{name}" for name in names),
        *run_result_files(),
        *training_files("checkpoint.pt"),
        *run_files("prediction.zarr"),
        *training_files("history.csv"),
        *saliency_maps(),
        *report_data(),
    ]


def report_data():
    """Name stacks, splits, volumes, known labels and tables of studies that the report shows."""
    return [f"{R}/{path}" for path in CATALOGUE.report_data()]


def saliency_maps():
    if not EXPERIMENT.settings.saliency:
        return []
    first = EXPERIMENT.settings.replicates.names()[0]
    return [
        name for name in training_files("saliency.zarr") if name.split("/")[-2] == first
    ]


def search_files():
    return [f"{R}/studies/{folder}/best.yaml" for folder in CATALOGUE.searches]


def volume_files():
    return [f"{R}/{path}" for path in CATALOGUE.volumes()]


def later(make, *words, **named):
    """Make an input function of one that names files: long lists are made for their job, not at every job's start."""
    return lambda wildcards: make(*words, **named)


def run_result_files():
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
    files = []
    for folder, made in CATALOGUE.segmentations.items():
        files += [f"{R}/{made.path}", f"{R}/segmentations/{folder}/summary.json"]
        if isinstance(made, Segmentation) and segment.tiff:
            files.append(f"{R}/segmentations/{folder}/labels.tif")
    return files
