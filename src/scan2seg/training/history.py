"""The curves of a training, epoch by epoch: kept in the checkpoint, shown as progress, written as CSV."""

import csv
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback

from scan2seg.energy import EnergyMeter, add_up
from scan2seg.logging import info
from scan2seg.replacement import replacing
from scan2seg.training.processes import gather

SCORES = (
    "train_loss", "train_accuracy", "train_mean_iou", "validation_loss", "validation_accuracy", "validation_mean_iou",
)  # fmt: skip
COLUMNS = ("epoch", "learning_rate", *SCORES, "seconds")
"""Columns of history.csv. Scores of training are of its augmented patches while the weights change, those of validation
of whole patches after the epoch. A row also holds the epoch's energy, for the sum of all parts of a resumed run."""

SAID = ("train_loss", "validation_loss", "validation_mean_iou")
"""Columns that the log says after every epoch."""

Row = dict[str, float | int | None]
"""Of the history: its columns and ``energy_joules``, None where not known."""

SILENCE = 30.0
"""Seconds after which a long epoch says where it is."""


class History(Callback):
    """Collects a row an epoch; a resumed run goes on with the rows of the one before."""

    def __init__(self, epochs: int) -> None:
        """Start empty, for a training of so many epochs."""
        self.epochs = epochs
        self.rows: list[Row] = []
        self._started = self._said = 0.0
        self._bar: Any = None
        self._losses: Any = []

    def state_dict(self) -> dict[str, Any]:
        """Return what the checkpoint keeps."""
        return {"rows": self.rows}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up the rows of the run before."""
        self.rows = list(state["rows"])

    def part(self) -> dict[str, Any]:
        """Return the seconds and the energy of the epoch so far."""
        return {"seconds": time.monotonic() - self._started, "joules": self._meter.read()}

    def load_part(self, part: dict[str, Any]) -> None:
        """Add what a run before spent on the epoch that goes on."""
        self._started -= part["seconds"]
        self._meter.add(part["joules"])

    def on_train_epoch_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Start the clock and, on a terminal, the bar."""
        self._meter = EnergyMeter(trainer.strategy.root_device.type)
        self._meter.start()
        self._started = time.monotonic()
        self._losses = module.sums["train_loss"]  # type: ignore[index]
        if sys.stderr.isatty():
            from tqdm import tqdm

            label = f"epoch {trainer.current_epoch + 1}/{self.epochs}"
            self._bar = tqdm(total=int(trainer.num_training_batches), desc=label, leave=False, file=sys.stderr)

    def on_train_batch_end(self, trainer: lightning.Trainer, module: Any, outputs: Any, batch: Any, step: int) -> None:
        """Move the bar; in a log say where a long epoch is."""
        if self._bar is not None:
            self._bar.update()
        self._say("step", step + 1, int(trainer.num_training_batches), trainer)

    def on_validation_batch_end(self, trainer: lightning.Trainer, *arguments: Any, **keywords: Any) -> None:
        """Say where a long validation is."""
        batches: list[Any] = trainer.num_val_batches
        self._say("validation step", int(arguments[3]) + 1, int(batches[0]), trainer)

    def _say(self, what: str, step: int, steps: int, trainer: lightning.Trainer) -> None:
        now = time.monotonic()
        if now - max(self._said, self._started) < SILENCE:
            return
        self._said = now
        spent = now - self._started
        place = f"epoch {trainer.current_epoch + 1}/{self.epochs}: {what} {step} of {steps}"
        loss = f", train loss {float(self._losses[-1]):.4f}" if self._losses else ""
        info("%s%s (%.0f s, about %.0f s left of it)", place, loss, spent, spent / step * (steps - step))

    def on_train_epoch_end(self, trainer: lightning.Trainer, module: Any) -> None:
        """Add the row of the epoch that ends, and say it; callbacks come before the module's own hook."""
        if self._bar is not None:
            self._bar.close()
        values: dict[str, float] = {"train_loss": module.train_loss(), **module.train_scores()}
        values |= {name: float(value) for name, value in trainer.callback_metrics.items() if name not in values}
        row: Row = {
            "epoch": trainer.current_epoch + 1,
            "learning_rate": float(trainer.optimizers[0].param_groups[0]["lr"]),
            "seconds": time.monotonic() - self._started,
            "energy_joules": add_up(gather(self._meter.stop()), self._meter.device, trainer.num_nodes),
        }
        row.update({name: values.get(name) for name in SCORES})
        self.rows.append(row)
        recent = [float(past["seconds"] or 0) for past in self.rows[-5:]]
        left = (self.epochs - trainer.current_epoch - 1) * sum(recent) / len(recent)
        shown = ", ".join(f"{name.replace('_', ' ')} {row[name]:.4f}" for name in SAID if row[name] is not None)
        info("epoch %d/%d: %s (%.1f s, at most %.0f s left)", row["epoch"], self.epochs, shown, row["seconds"], left)

    def write(self, path: Path) -> None:
        """Write history.csv; a classical model's has the header only."""
        write_history(path, self.rows)


class TimeBudget(Callback):
    """Ends training before the epoch that would exceed the budget; the epochs of a killed run before count too."""

    def __init__(self, seconds: float, history: History) -> None:
        """Watch the seconds that the history collects."""
        self.seconds = seconds
        self.history = history

    def on_train_epoch_end(self, trainer: lightning.Trainer, module: Any) -> None:
        """Compare what was spent, and another epoch like the longest, with the budget."""
        spent = [float(row["seconds"] or 0) for row in self.history.rows]
        over = trainer.strategy.reduce_boolean_decision(sum(spent) + max(spent) > self.seconds, all=False)
        if over and trainer.current_epoch + 1 < self.history.epochs:
            info("the time budget of %.0f s ends the training after epoch %d", self.seconds, trainer.current_epoch + 1)
        trainer.should_stop = trainer.should_stop or over


def write_history(path: Path, rows: Sequence[Row]) -> None:
    """Write the curves."""
    with replacing(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
