"""Optimizer and learning-rate schedule."""

import math
import sys
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn

from scan2seg.config.training import OptimizerSettings, ScheduleSettings


def make_optimizer(settings: OptimizerSettings, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """Build the optimizer over the parameters that are trained."""
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    common: dict[str, Any] = {"lr": settings.learning_rate, "weight_decay": settings.weight_decay}
    makers: dict[str, Callable[[], torch.optim.Optimizer]] = {
        "adam": lambda: torch.optim.Adam(trained, eps=settings.epsilon, **common),
        "adamw": lambda: torch.optim.AdamW(trained, eps=settings.epsilon, **common),
        "sgd": lambda: torch.optim.SGD(trained, momentum=settings.momentum, nesterov=settings.momentum > 0, **common),
    }
    return makers[settings.name]()


def make_schedule(
    settings: ScheduleSettings, optimizer: torch.optim.Optimizer, steps: int, steps_per_epoch: int
) -> dict[str, Any]:
    """Build Lightning's description of the schedule.

    Args:
        settings: the curve.
        optimizer: whose rate changes.
        steps: optimizer steps of the whole training.
        steps_per_epoch: for the warm-up.
    """
    if settings.name == "plateau":
        scheduler: Any = torch.optim.lr_scheduler.ReduceLROnPlateau(
            optimizer, factor=settings.factor, patience=settings.patience, min_lr=settings.minimum
        )
        # Lightning would step it after the epoch's checkpoint, so a resumed run would lack a step; the module does it.
        return {"scheduler": scheduler, "interval": "epoch", "frequency": sys.maxsize, "reduce_on_plateau": False}
    peak = float(optimizer.param_groups[0]["lr"])
    warmup = round(settings.warmup_epochs * steps_per_epoch)
    floor = min(settings.minimum / peak, 1.0)

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / (warmup + 1)
        done = min((step - warmup) / max(steps - warmup, 1), 1.0)
        curve: float = curves[settings.name](done)
        return floor + (1 - floor) * curve

    curves: dict[str, Callable[[float], float]] = {
        "constant": lambda done: 1.0,
        "cosine": lambda done: 0.5 * (1 + math.cos(math.pi * done)),
        "polynomial": lambda done: float((1 - done) ** settings.power),
        "one_cycle": _one_cycle,
    }
    return {"scheduler": torch.optim.lr_scheduler.LambdaLR(optimizer, factor), "interval": "step"}


def _one_cycle(done: float) -> float:
    """Rise from 1/25 to 1 in the first 30 per cent, then fall to almost nothing, both as cosines (Smith 2018)."""
    rise = 0.3
    if done < rise:
        return 1 / 25 + (1 - 1 / 25) * 0.5 * (1 - math.cos(math.pi * done / rise))
    return 1e-4 + (1 - 1e-4) * 0.5 * (1 + math.cos(math.pi * (done - rise) / (1 - rise)))
