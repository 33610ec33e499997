"""Train one model: patches in; checkpoint, history and costs out."""

import shutil
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from scan2seg.appearance import SAMPLE_WINDOWS, describe_appearance
from scan2seg.checkpoint import SegmentationModel, save_checkpoint
from scan2seg.config.recipe import Recipe
from scan2seg.device import autocast, choose_device, peak_memory, set_threads
from scan2seg.documents import Json
from scan2seg.energy import EnergyMeter, explain_unknown
from scan2seg.errors import InputError
from scan2seg.logging import info
from scan2seg.network_features import describe_features
from scan2seg.normalisation import fit_normalisation
from scan2seg.provenance import fingerprint, name_node, record
from scan2seg.replicates import parse_replicate
from scan2seg.storage import open_store, write_json
from scan2seg.training.data import Patches, choose_evenly, class_weights, make_loaders, open_patches
from scan2seg.training.history import Row, write_history
from scan2seg.training.job import TrainingJob
from scan2seg.training.launcher import launch
from scan2seg.training.learner import DivergedError
from scan2seg.training.loop import TrainingResult, run_loop
from scan2seg.training.module import TrainingModule
from scan2seg.training.processes import gather, rank, world
from scan2seg.training.start import start_from

FITTED_PATCHES, FITTED_BYTES = 4000, 2 * 10**9
"""The most patches that a classical model is fitted to, and the most bytes that their images take; the same on every
machine, so that the fit is too."""


def train_model(job: TrainingJob) -> None:
    """Train a model and write checkpoint.pt, history.csv and training.json into the output folder.

    checkpoint.pt has the weights of the best epoch, last.pt those of the last one; where loss or weights stop being
    finite, diverged.pt has those of the best epoch before.

    A run that was killed goes on from its last state, after an epoch or within one: ``output/training`` keeps it until
    the end. On SIGTERM and SIGUSR1 it keeps the state, asks Slurm for another turn, and exits.

    With ``training.devices`` above 1 it starts as many processes, on ``training.nodes`` of its Slurm job, waits for
    them, and passes on what the first says; peak memory is then the sum over the processes or GPUs, energy that of all
    GPUs, or of the processors.

    Raises:
        SystemExit: after a signal.
        InputError: no training patches, a device that is not there, a loss that is not finite, too little memory,
            an encoder that was pre-trained on test images.
        RuntimeError: one of several processes crashed.
    """
    settings = job.recipe.training
    on_each = settings.devices // settings.nodes
    device = choose_device(settings.device, on_each)
    if settings.devices == world():
        _train_here(job, device)
    else:
        threads = max(1, job.threads // on_each)
        launch(job.model_copy(update={"threads": threads}), settings.devices, device, settings.nodes)


def _train_here(job: TrainingJob, device: str) -> None:
    recipe, pretraining = job.recipe, None
    if job.encoder is not None and job.stack is not None:
        recipe, pretraining = start_from(recipe, job.encoder, job.stack, job.split)
    seed, fold = parse_replicate(job.replicate)
    settings, inputs = recipe.training, (job.patches, job.split)
    set_threads(job.threads)
    torch.manual_seed(seed)
    data = open_patches(job.patches, job.split, fold, device)
    model = _build_model(recipe, job.patches, data)
    settings_of_run = {"recipe": recipe.content(), "seed": seed, "fold": fold}
    if hasattr(model.network, "fit"):
        info("%s on %s in float32", recipe.architecture.method, device)
        result = fit_classical(model, data, seed, device)
    else:
        identity = fingerprint([recipe.content(), seed, fold, _created(job.patches)])
        state, minutes = job.output / "training", job.checkpoint_minutes
        try:
            result = _train_network(model, data, recipe, state, identity, seed, device, minutes)
        except DivergedError as error:
            provenance = record(settings_of_run, inputs)
            raise _keep_good(job.output / "diverged.pt", model, data, provenance, error) from None
    provenance = record(settings_of_run, inputs)
    usage = {"peak_memory_bytes": sum(gather(peak_memory(device))), "threads": job.threads * world()}
    nodes = list(dict.fromkeys(gather(name_node())))
    if rank() > 0:
        return
    facts = _describe_cost(model, data, result, settings.monitor)
    validation = choose_evenly(data.validation, settings.validation_patches)
    facts.update(validation_patches=len(validation))
    facts["energy_note"] = explain_unknown(device) if facts["energy_joules"] is None else None
    facts.update(device=device, devices=world(), nodes=nodes, pretraining=pretraining, **usage)
    # a classical model is fitted at once
    facts.update(batch_size=settings.batch_size if result.steps else None, steps=result.steps)
    facts.update(result.decision.describe(), provenance=provenance)
    _write(job.output, model, data, result, facts)


def _train_network(
    model: SegmentationModel,
    data: Patches,
    recipe: Recipe,
    state: Path,
    identity: str,
    seed: int,
    device: str,
    minutes: float,
) -> TrainingResult:
    loader, validation = make_loaders(data, recipe.training, seed)
    weights = class_weights(recipe.training.class_weights, data.histogram[data.train])
    module = TrainingModule(model, recipe, loader, seed, weights)
    return run_loop(module, validation, recipe.training, state, identity, device, minutes=minutes)


def _write(output: Path, model: SegmentationModel, data: Patches, result: TrainingResult, facts: Json) -> None:
    """Write everything, and only then remove the state from which a killed run goes on."""
    description = _describe_model(model, data, facts["provenance"]) | {"precision": facts["precision"]}
    save_checkpoint(output / "checkpoint.pt", model, description)
    write_history(output / "history.csv", result.rows)
    write_json(output / "training.json", facts)
    if result.last is not None:
        model.load_state_dict(result.last)
        save_checkpoint(output / "last.pt", model, description)
    (output / "diverged.pt").unlink(missing_ok=True)
    shutil.rmtree(output / "training", ignore_errors=True)


def _keep_good(
    path: Path, model: SegmentationModel, data: Patches, provenance: Json, error: DivergedError
) -> InputError:
    """Save the weights of the best epoch before a run diverged, if there is one; return what to tell the user."""
    if error.epoch is None:
        return error
    save_checkpoint(path, model, _describe_model(model, data, provenance))
    return InputError(f"{error}; the weights of epoch {error.epoch}, the best before, are kept in {path}")


def _describe_model(model: SegmentationModel, data: Patches, provenance: Json) -> Json:
    """Return what a checkpoint says of its model."""
    neighbours = provenance["settings"]["recipe"]["patching"]["neighbours"]
    description = {"classes": data.classes, "patch_size": list(data.size), "neighbours": neighbours, **data.source}
    appearance = describe_appearance(data.sample(SAMPLE_WINDOWS))
    features = None if neighbours else describe_features(model, data.sample(SAMPLE_WINDOWS))
    return description | {"appearance": appearance, "features": features, "provenance": provenance}


def _build_model(recipe: Recipe, patches: Path, data: Patches) -> SegmentationModel:
    image: Any = open_store(patches)["image"]
    normalisation = fit_normalisation(
        recipe.normalisation, image, data.train.tolist(), recipe.architecture.get("encoder")
    )
    data.per_image = normalisation.per_image
    if not data.histogram.any():
        raise InputError(f"{patches}: no pixel has a label; images without labels can only be pre-trained on")
    model = SegmentationModel(recipe.architecture, normalisation, data.image.shape[1], len(data.classes))
    if hasattr(model.network, "fit") and world() > 1:
        raise InputError(f"training.devices: {recipe.architecture.method} is fitted in one process; set it to 1")
    return model


def _describe_cost(model: SegmentationModel, data: Patches, result: TrainingResult, monitor: str) -> Json:
    """Return what the training took and reached; of a resumed run the epochs' seconds and joules, of all its parts."""
    seconds = sum(float(part["seconds"] or 0) for part in result.costs)
    joules = [part.get("energy_joules") for part in result.costs]
    best = next((row for row in result.rows if row["epoch"] == result.best_epoch), Row())
    return {
        "wall_seconds": seconds,
        "energy_joules": None if None in joules else sum(each for each in joules if each is not None),
        "epochs": result.epochs,
        "best_epoch": result.best_epoch,
        "monitor": monitor,
        "validation_score": best.get(monitor),
        "samples_per_second": result.samples / max(seconds, 1e-9),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "flops": count_flops(model, data.size),
    }


def fit_classical(model: SegmentationModel, data: Patches, seed: int, device: str) -> TrainingResult:
    """Fit a classical model to the training patches, an even sample of them where there are many; return its cost."""
    meter, started = EnergyMeter(device), time.monotonic()
    meter.start()
    chosen = sample_patches(data)
    images, labels = data.fetch(chosen)
    with torch.no_grad():
        normalised = torch.cat([model.normalisation(batch) for batch in torch.split(images, 64)])
        model.network.fit(normalised, labels, seed)  # type: ignore[operator]
    model.eval()
    cost: Row = {"seconds": time.monotonic() - started, "energy_joules": meter.stop()}
    return TrainingResult(epochs=0, best_epoch=None, rows=[], samples=len(chosen), costs=[cost])


def sample_patches(data: Patches) -> NDArray[np.int64]:
    """Return the training patches that a classical model is fitted to: all, or an even sample of them."""
    size = int(np.prod(data.image.shape[1:])) * 4
    most = max(1, min(FITTED_PATCHES, FITTED_BYTES // size))
    return data.train[:: -(-len(data.train) // most)]


def count_flops(model: SegmentationModel, size: tuple[int, ...]) -> int | None:
    """Count the floating-point operations of one patch; None where the model has none that torch counts."""
    from torch.utils.flop_counter import FlopCounterMode

    counter = FlopCounterMode(display=False)
    device = model.normalisation.shift.device
    with warnings.catch_warnings(), torch.no_grad(), counter, autocast(str(device.type), "float32"):
        warnings.simplefilter("ignore")
        model.eval()(torch.zeros(1, model.channels, *size, device=device))
    return int(counter.get_total_flops()) or None


def _created(patches: Path) -> list[Any]:
    """Identify the content of a patch store, so that a run never goes on with other data."""
    store = open_store(patches)
    provenance: Any = store.attrs["provenance"]
    return [provenance["created"], np.asarray(store["histogram"]).sum(axis=0).tolist()]
