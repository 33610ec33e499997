"""The state of a training within an epoch: kept every few minutes and on a signal, so that little work is lost.

A run that goes on from it draws what an undisturbed one would have: order, augmentation and dropout follow from the
random state and the step that are kept.
"""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback

from scan2seg.device import count_gpus
from scan2seg.logging import info, warn
from scan2seg.slurm.controller import ask_state
from scan2seg.training.history import History
from scan2seg.training.learner import Learner

WORTH = 60.0
"""Seconds of work for which the state is kept before the last step of an epoch, after which validation comes."""
SIGNALS = (signal.SIGTERM, signal.SIGUSR1)
"""What Slurm sends before it takes a node away, by its own choice or with ``--signal``."""


class Interruption(Callback):
    """Keeps the state between two steps; ends the training after a signal, and lets Slurm start it again."""

    def __init__(self, path: Path, minutes: float, accumulate: int, history: History) -> None:
        """Set where and how often.

        Args:
            path: of the checkpoint that a killed run goes on from.
            minutes: between two states.
            accumulate: steps whose gradients are averaged; between them there is no state that could go on.
            history: whose clock and meter stand within the epoch.
        """
        self.path, self.seconds, self.accumulate, self.history = path, 60 * minutes, accumulate, history
        self.signalled: int | None = None
        self._saved = time.monotonic()
        self._keeping: dict[str, Any] = {}
        self._resumed: dict[str, Any] = {}

    def state_dict(self) -> dict[str, Any]:
        """Return what is to be known within an epoch; nothing at the end of one."""
        return self._keeping

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up where the run before was."""
        self._resumed = dict(state)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take the signals within the block: they end the training at its next step."""
        before = {number: signal.getsignal(number) for number in SIGNALS}
        try:
            self._listen()
            yield
        finally:
            if threading.current_thread() is threading.main_thread():
                for number, handler in before.items():
                    signal.signal(number, handler)

    def _listen(self) -> None:
        # elsewhere than in the main thread, signals are not for Python to take
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                signal.signal(number, self._hear)

    def on_train_start(self, trainer: lightning.Trainer, module: Any) -> None:
        """Put a resumed run into the middle of its epoch: Lightning leaves out what begins one."""
        # Lightning has put its own handler there, which would end the run before its state is kept
        self._listen()
        self._saved = time.monotonic()
        if not self._resumed:
            return
        module.loader.epoch, module.loader.first = trainer.current_epoch, self._resumed["step"]
        module.load_epoch(self._resumed["learner"])
        self.history.on_train_epoch_start(trainer, module)
        self.history.load_part(self._resumed["history"])

    def on_train_batch_start(self, trainer: lightning.Trainer, module: Any, batch: Any, step: int) -> None:
        """Keep the state where it is time or a signal came.

        Raises:
            SystemExit: a signal came.
        """
        if self._resumed:
            set_random_state(self._resumed["random"])
            module.loader.first = 0
            self._resumed = {}
        # within validation there is no state, so that it counts to what a kill costs
        last = step + self.accumulate >= int(trainer.num_training_batches)
        due = time.monotonic() - self._saved >= (min(WORTH, self.seconds) if last else self.seconds)
        if step % self.accumulate or not (due or self.signalled is not None):
            return
        # at its beginning the end of the epoch before is the state
        if step:
            self._keep(trainer, module, step)
        if self.signalled is not None:
            self._leave(f"epoch {trainer.current_epoch + 1}, step {step}")

    def on_validation_batch_start(self, trainer: lightning.Trainer, *arguments: Any, **keywords: Any) -> None:
        """End a validation after a signal; the state is the last one of its epoch.

        Raises:
            SystemExit: a signal came.
        """
        if self.signalled is not None:
            self._leave(f"the validation of epoch {trainer.current_epoch + 1}")

    def _keep(self, trainer: lightning.Trainer, module: Learner, step: int) -> None:
        self._keeping = {
            "step": step,
            "random": random_state(),
            "learner": module.epoch_state(),
            "history": self.history.part(),
        }
        try:
            trainer.save_checkpoint(self.path)
        finally:
            self._keeping = {}
        self._saved = time.monotonic()

    def _hear(self, number: int, frame: Any) -> None:
        if self.signalled is not None:
            raise SystemExit(128 + number)
        self.signalled = number

    def _leave(self, place: str) -> None:
        assert self.signalled is not None
        info("%s: the training ends in %s, and goes on from there", signal.Signals(self.signalled).name, place)
        requeue()
        raise SystemExit(128 + self.signalled)


def random_state() -> dict[str, Any]:
    """Return the state of torch's generators."""
    gpus = torch.cuda.get_rng_state_all() if count_gpus() else []
    return {"cpu": torch.get_rng_state(), "gpus": gpus}


def set_random_state(state: dict[str, Any]) -> None:
    """Set torch's generators; those of GPUs only where there are as many."""
    torch.set_rng_state(state["cpu"].cpu())
    if len(state["gpus"]) == count_gpus():
        torch.cuda.set_rng_state_all([each.cpu() for each in state["gpus"]])


def requeue() -> None:
    """Put this Slurm job back into the queue, unless it was cancelled or preempted: then Slurm decides."""
    job = os.environ.get("SLURM_JOB_ID")
    try:
        if job is None or ask_state(job) != "RUNNING":
            return
        result = subprocess.run(["scontrol", "requeue", job], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        warn("the job is not put back into Slurm's queue: %s", error)
        return
    if result.returncode:
        warn("the job is not put back into Slurm's queue: %s", result.stderr.strip())
