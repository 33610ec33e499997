"""The training loop: Lightning with our checkpoints, which let a killed run go on where it was."""

import logging
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint
from lightning.pytorch.strategies import DDPStrategy
from torch import Tensor

from scan2seg.config.training import TrainingSettings
from scan2seg.logging import info, warn
from scan2seg.precision import FLOAT32, Decision
from scan2seg.storage import read_json, write_json
from scan2seg.training.averaging import make_averaging
from scan2seg.training.data import BatchLoader
from scan2seg.training.history import History, Row, TimeBudget
from scan2seg.training.interruption import Interruption
from scan2seg.training.job import CHECKPOINT_MINUTES
from scan2seg.training.learner import DivergedError, Learner
from scan2seg.training.processes import gather, rank, world
from scan2seg.training.shortage import explain_shortage
from scan2seg.training.state import WholeFiles, find_whole
from scan2seg.training.trust import settle_precision

_PRECISIONS: dict[str, Any] = {"float32": "32-true", "bfloat16": "bf16-mixed", "float16": "16-mixed"}


@dataclass(frozen=True)
class TrainingResult:
    """What a training was."""

    epochs: int
    best_epoch: int | None
    """From 1; None where there are no epochs."""
    rows: list[Row]
    """Of the history; of a resumed run those of all its parts."""
    samples: int
    """Patches seen."""
    costs: list[Row]
    """Seconds and energy, of each epoch or of the fit as a whole."""
    decision: Decision = FLOAT32
    """The precision."""
    steps: int | None = None
    """Of the optimiser."""
    last: dict[str, Tensor] | None = None
    """The last epoch's weights."""


def run_loop(
    learner: Learner,
    validation: BatchLoader | None,
    settings: TrainingSettings,
    state: Path,
    identity: str,
    device: str,
    *,
    keep_best: bool = True,
    minutes: float = CHECKPOINT_MINUTES,
) -> TrainingResult:
    """Train a model in place and leave it with the weights of its best epoch.

    The state stays, for the caller to remove once the model is saved: until then a killed run can go on.
    Several processes share every batch and average their gradients (Li et al. 2020, arXiv:2006.15704); the first one
    keeps the state.

    Args:
        learner: with its model, fresh, and its batches.
        validation: its batches, or None.
        settings: of the loop.
        state: folder for the checkpoints of the unfinished run.
        identity: of recipe, seed and data; a state of another identity is thrown away.
        device: cpu or cuda.
        minutes: of work within an epoch that a kill may cost; several processes lose up to an epoch.
        keep_best: False leaves the weights of the last epoch, where no score tells which one is best.

    Raises:
        DivergedError: loss or weights are not finite; the model has the weights of the best epoch before, if any.
        InputError: the memory does not suffice.
    """
    resume = gather(_find_state(state, identity) if rank() == 0 else None)[0]
    decision = _make_ready(learner, settings, state, identity, device)
    history, watched = History(settings.epochs), _choose_monitor(settings, validation is not None)
    best, last = _make_checkpoints(state, *watched)
    callbacks = [history, *([best] if keep_best else []), last, *_extras(settings, history, *watched)]
    interruption = Interruption(state / "last.ckpt", minutes, min(settings.accumulate, len(learner.loader)), history)
    # the random state of one process does not tell that of the others
    callbacks += [interruption] if world() == 1 else []
    trainer = _make_trainer(settings, device, decision.precision, callbacks, len(learner.loader))
    try:
        with interruption.listening() if world() == 1 else nullcontext():
            _fit(trainer, learner, validation, resume)
    except DivergedError as error:
        error.epoch = _load_best(learner, best.best_model_path)
        raise
    result = _collect(learner, history, best, last)
    return replace(result, decision=decision, steps=int(trainer.global_step))


def _make_ready(learner: Learner, settings: TrainingSettings, state: Path, identity: str, device: str) -> Decision:
    """Bring the network into its order in memory and on the device; settle its precision, and compile it."""
    learner.to(memory_format=learner.memory_format)
    with _explaining(learner):
        measure = learner.measure_first_batch(device)
        decision = settle_precision(settings.precision, learner.network, measure, device, state, identity)
    info("%s on %s in %s", learner.title, device, decision.precision)
    if settings.compile:
        learner.network.compile()
    return decision


def _collect(learner: Learner, history: History, best: ModelCheckpoint, last: ModelCheckpoint) -> TrainingResult:
    """Load the best epoch's weights, and return what the run was."""
    ended = torch.load(last.best_model_path, map_location="cpu", weights_only=True)["state_dict"]
    best_epoch = _load_best(learner, best.best_model_path or last.best_model_path)
    learner.model.eval()
    epochs = len(history.rows)
    if best.best_model_path:
        info("best epoch %d of %d", best_epoch, epochs)
    return TrainingResult(
        epochs=epochs,
        best_epoch=best_epoch,
        rows=history.rows,
        samples=epochs * learner.loader.samples,
        costs=history.rows,
        last={name.removeprefix("model."): tensor for name, tensor in ended.items() if name.startswith("model.")},
    )


def _load_best(learner: Learner, path: str) -> int | None:
    """Load the weights of a checkpoint; return its epoch, from 1; None where there is no checkpoint yet."""
    if not path:
        return None
    content = torch.load(path, map_location="cpu", weights_only=True)
    learner.load_state_dict(content["state_dict"])
    return int(content["epoch"]) + 1


def _choose_monitor(settings: TrainingSettings, has_validation: bool) -> tuple[str, str]:
    """Return the value that decides which epoch is best, and whether its ``max`` or its ``min`` is."""
    monitor = settings.monitor if has_validation else "train_loss"
    return monitor, "max" if monitor == "validation_mean_iou" else "min"


def _make_checkpoints(state: Path, monitor: str, mode: str) -> tuple[ModelCheckpoint, ModelCheckpoint]:
    best = ModelCheckpoint(state, "best", monitor=monitor, mode=mode, save_on_train_epoch_end=True)
    last = ModelCheckpoint(
        state, "last", save_top_k=1, every_n_epochs=1, save_on_train_epoch_end=True, enable_version_counter=False
    )
    return best, last


def _extras(settings: TrainingSettings, history: History, monitor: str, mode: str) -> list[Callback]:
    extras = make_averaging(settings)
    if settings.early_stopping is not None:
        patience = settings.early_stopping
        extras.append(EarlyStopping(monitor, patience=patience, mode=mode, check_on_train_epoch_end=True))
    if settings.time_budget_minutes is not None:
        extras.append(TimeBudget(60 * settings.time_budget_minutes, history))
    return extras


def _make_trainer(
    settings: TrainingSettings, device: str, precision: str, callbacks: list[Callback], batches: int
) -> lightning.Trainer:
    # Deterministic mode would also fill all new memory, which only code that reads what it never wrote would notice.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    for name in ("lightning.pytorch", "lightning.fabric", "lightning"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning")
    return lightning.Trainer(
        accelerator="gpu" if device == "cuda" else "cpu",
        devices=world() // _nodes(settings),
        num_nodes=_nodes(settings),
        **_share_work(device),
        max_epochs=settings.epochs,
        precision=_PRECISIONS[precision],
        callbacks=callbacks,
        gradient_clip_val=settings.gradient_clipping,
        accumulate_grad_batches=min(settings.accumulate, batches),
        deterministic="warn" if settings.deterministic else None,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
    )


def _nodes(settings: TrainingSettings) -> int:
    return settings.nodes if world() > 1 else 1


def _share_work(device: str) -> dict[str, Any]:
    """Return the trainer's options for several processes: gradients are averaged and, on GPUs, batch-norm statistics.

    The environment is named since Lightning would take Slurm's for its own, with one process a task and its own
    answer to signals.
    """
    plugins = [WholeFiles(), LightningEnvironment()]
    if world() == 1:
        return {"plugins": plugins}
    return {"strategy": DDPStrategy(), "plugins": plugins, "sync_batchnorm": device == "cuda"}


def _fit(trainer: lightning.Trainer, learner: Learner, validation: BatchLoader | None, resume: Path | None) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if resume is not None:
            info("going on from the last state of an unfinished run")
        with _explaining(learner):
            path = str(resume) if resume else None
            trainer.fit(learner, learner.loader, validation, ckpt_path=path, weights_only=True)
    if trainer.interrupted:
        raise KeyboardInterrupt


@contextmanager
def _explaining(learner: Learner) -> Iterator[None]:
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        shortage = explain_shortage(error, f"{learner.SECTION}.batch_size", learner.loader.batch_size, world())
        raise shortage or error from None


def _find_state(state: Path, identity: str) -> Path | None:
    """Return the last checkpoint of an unfinished run with the same recipe and data; remove any other state."""
    marker, last = state / "identity.json", state / "last.ckpt"
    if marker.is_file() and read_json(marker) == identity:
        found, wrong = find_whole(last)
        if wrong:
            chance = "going on from the epoch before" if found else "starting anew"
            warn("the state of the unfinished run is damaged (%s): %s", wrong, chance)
        if found:
            found.replace(last)
            return last
    shutil.rmtree(state, ignore_errors=True)
    write_json(marker, identity)
    return None
