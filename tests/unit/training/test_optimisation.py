"""Schedules against torch's own, and the weights of classes and patches by hand."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from scan2seg.config.training import OptimizerSettings, ScheduleSettings, TrainingSettings
from scan2seg.training.data import class_weights, sampling_weights
from scan2seg.training.optimisation import make_optimizer, make_schedule

STEPS = 40


def rates_of(make: Any) -> list[float]:
    """Return the learning rate of every step."""
    optimizer = make_optimizer(OptimizerSettings(name="sgd", learning_rate=0.2), [torch.nn.Parameter(torch.zeros(1))])
    schedule, rates = make(optimizer), []
    for _ in range(STEPS):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return rates


def ours(**settings: Any) -> list[float]:
    chosen = ScheduleSettings.model_validate(settings)
    return rates_of(lambda optimizer: make_schedule(chosen, optimizer, STEPS, 10)["scheduler"])


def test_cosine_and_polynomial_are_torchs() -> None:
    schedules = torch.optim.lr_scheduler
    cosine = rates_of(lambda optimizer: schedules.CosineAnnealingLR(optimizer, STEPS, eta_min=0.02))
    assert ours(name="cosine", minimum=0.02) == pytest.approx(cosine)
    polynomial = rates_of(lambda optimizer: schedules.PolynomialLR(optimizer, STEPS, power=0.7))
    assert ours(name="polynomial", power=0.7) == pytest.approx(polynomial)
    assert ours(name="constant") == [0.2] * STEPS


def test_one_cycle_rises_for_a_third_and_falls_to_nothing() -> None:
    found = ours(name="one_cycle")
    torchs = rates_of(lambda optimizer: torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.2, STEPS, pct_start=0.3))
    assert found == pytest.approx(torchs, abs=0.02)
    assert found[0] == pytest.approx(0.2 / 25) and max(found) == pytest.approx(0.2) and found.index(max(found)) == 12


def test_warm_up_is_a_line_before_the_curve() -> None:
    found = ours(name="cosine", warmup_epochs=1)
    assert found[:10] == pytest.approx([0.2 * (step + 1) / 11 for step in range(10)])
    assert found[10:] == pytest.approx([0.1 * (1 + math.cos(math.pi * step / 30)) for step in range(30)])


def test_what_contradicts_itself_is_named() -> None:
    with pytest.raises(ValidationError, match="no meaning with plateau"):
        ScheduleSettings(name="plateau", warmup_epochs=2)
    for weights in ([-1.0, 1.0], [0.0, 0.0], [math.nan, 1.0], [math.inf, 1.0]):
        with pytest.raises(ValidationError, match="class_weights"):
            TrainingSettings(class_weights=weights)


HISTOGRAM = np.array([[90, 10, 0], [100, 0, 0], [50, 30, 20]])


def test_classes_weigh_as_they_are_rare() -> None:
    found = class_weights("inverse_frequency", HISTOGRAM)
    inverse = [300 / 240, 300 / 40, 300 / 20]
    mean = sum(inverse) / 3
    assert found is not None and found.tolist() == pytest.approx([value / mean for value in inverse])
    missing = class_weights("inverse_frequency", HISTOGRAM * [1, 1, 0])
    assert missing is not None and missing[2] == 0 and float(missing[:2].mean()) == pytest.approx(1)
    assert class_weights("none", HISTOGRAM) is None
    given = class_weights([1.0, 2.0, 3.0], HISTOGRAM)
    assert given is not None and given.tolist() == [1, 2, 3]


def test_patches_are_drawn_by_the_share_of_each_class_that_they_hold() -> None:
    found = sampling_weights(HISTOGRAM)
    shares = [90 / 240 + 10 / 40, 100 / 240, 50 / 240 + 30 / 40 + 20 / 20]
    assert found.tolist() == pytest.approx([share + 0.05 * min(shares) for share in shares])
