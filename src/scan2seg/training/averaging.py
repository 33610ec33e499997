"""Averages of weights over steps or epochs, which are validated and kept instead of the last weights."""

import math
from typing import Any

from lightning.pytorch.callbacks import Callback, WeightAveraging
from torch import Tensor

from scan2seg.config.training import TrainingSettings


class _PerStep(WeightAveraging):
    """Updated after every optimizer step."""

    def should_update(self, step_idx: int | None = None, epoch_idx: int | None = None) -> bool:
        return step_idx is not None


class _PerEpoch(WeightAveraging):
    """Updated by the last step of every epoch, before the validation that scores the average."""

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        if trainer.is_last_batch:
            super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)

    def should_update(self, step_idx: int | None = None, epoch_idx: int | None = None) -> bool:
        return step_idx is not None


def make_averaging(settings: TrainingSettings) -> list[Callback]:
    """Return the callback for ``ema`` or ``swa``; none for ``none``.

    ``ema`` is an exponential average over steps whose decay warms up, min(decay, (1 + n) / (10 + n)), so that the
    random initial weights are soon forgotten; ``swa`` is the mean over the last quarter of the epochs (Izmailov et al.
    2018, arXiv:1803.05407). Batch-norm statistics are averaged like weights.
    """
    if settings.average == "ema":
        return [_PerStep(use_buffers=True, avg_fn=_exponential(settings.ema_decay))]
    if settings.average == "swa":
        return [_PerEpoch(use_buffers=True, avg_fn=_late_mean(math.floor(0.75 * settings.epochs)))]
    return []


def _exponential(decay: float) -> Any:
    def average(averaged: Tensor, current: Tensor, count: Tensor | int) -> Tensor:
        if not averaged.is_floating_point():
            return current
        kept = min(decay, (1 + int(count)) / (10 + int(count)))
        return averaged * kept + current * (1 - kept)

    return average


def _late_mean(skipped: int) -> Any:
    def average(averaged: Tensor, current: Tensor, count: Tensor | int) -> Tensor:
        late = int(count) + 1 - skipped
        if late <= 1 or not averaged.is_floating_point():
            return current
        return averaged + (current - averaged) / late

    return average
