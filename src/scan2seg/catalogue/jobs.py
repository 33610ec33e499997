"""The jobs of an experiment by stage: what each makes first, and where its log lies."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from scan2seg.catalogue.outputs import Output, outputs
from scan2seg.catalogue.runs import Ensemble, Training
from scan2seg.catalogue.stacks import Patches, Split

if TYPE_CHECKING:
    from scan2seg.catalogue import Catalogue

STAGES = {
    "simulation": "simulate_scan",
    "reconstruction": "reconstruct_scan",
    "denoisedvolume": "denoise_scan",
    "stack": "assemble_stack",
    "split": "split_stack",
    "patches": "extract_patches",
    "encoder": "pretrain_encoder",
    "trial": "tune_model",
    "search": "compare_trials",
    "training": "train_model",
    "prediction": "predict_stack",
    "segmentation": "segment_scan",
    "filesegmentation": "segment_files",
}
"""Kind of a thing to the stage that makes it, in the order of the workflow."""


@dataclass(frozen=True)
class Job:
    """One job; paths are relative to the results folder."""

    stage: str
    place: str
    """What the job is about: the folders that its log and its outputs have in common."""
    output: str
    """The first of its outputs, beside which its owner file lies."""

    @property
    def log(self) -> str:
        """The path of the log."""
        return f"logs/{self.stage}/{self.place}.log"


def jobs(catalogue: "Catalogue") -> Iterator[Job]:
    """Iterate over all jobs of an experiment, done or not."""
    made = sorted(outputs(catalogue), key=lambda output: list(STAGES).index(output.kind))
    yield from map(_job_of, made)
    yield from (Job("export_volume", path, path) for path in catalogue.exports)
    runs = {run.applied: run for run in catalogue.runs}
    for applied, run in runs.items():
        place = applied.removeprefix("runs/")
        if isinstance(run.thing, Training):
            yield Job("time_inference", place, f"{applied}/timing.json")
            if catalogue.applications[place]["plan"] is not None:
                yield Job("plan_inference", place, f"{applied}/plan.json")
        yield Job("score_prediction", place, f"{applied}/metrics.json")
        if run.parts:
            yield Job("score_parts", f"{place}/{PurePosixPath(run.parts).stem}", run.parts)
    settings = catalogue.experiment.settings
    if settings.saliency and runs:
        first = settings.replicates.names()[0]
        folders = dict.fromkeys(run.folder for run in runs.values() if isinstance(run.thing, Training))
        yield from (
            Job("map_saliency", folder.removeprefix("runs/"), f"{folder}/saliency.zarr")
            for folder in folders
            if folder.endswith(f"/{first}")
        )
    last = {"render_report": "index.html"}
    if runs:
        last = {"compare_models": "scores.csv", **last, "link_runs": "runs", "log_to_mlflow": "mlflow.json"}
    name = settings.experiment
    yield from (Job(stage, name, f"reports/{name}/{file}") for stage, file in last.items())


def _job_of(output: Output) -> Job:
    path, stage = PurePosixPath(output.path), STAGES[output.kind]
    place = output.thing.folder
    if isinstance(output.thing, Split):
        place = f"{path.parts[1]}/{output.thing.key}"
    elif isinstance(output.thing, Patches):
        place = f"{path.parts[1]}/{output.thing.folder}"
    elif output.kind in ("trial", "training", "prediction"):
        place = "/".join(path.parts[1:-1])
    if output.kind == "prediction" and isinstance(output.thing, Ensemble):
        stage = "ensemble_predictions"
    return Job(stage, place, output.path)
