"""The mean Dice over volumes or patients, as tables of cases and of performance have it."""

from types import SimpleNamespace
from typing import Any

import pytest

from scan2seg.evaluation.case_scores import mean_case_dice


def run_of(*cases: dict[str, float | None]) -> Any:
    rows = [{"case": f"p{number}", "dice": dice, "reason": ""} for number, dice in enumerate(cases)]
    return SimpleNamespace(metrics={"measures": {"cases": {"rows": rows}}})


def test_a_case_is_the_mean_over_its_classes_and_those_not_scored_do_not_count() -> None:
    run = run_of({"front": 0.9, "back": 0.7}, {"front": 0.5, "back": None}, {"front": None, "back": None})
    assert mean_case_dice(run) == pytest.approx((0.8 + 0.5) / 2)


def test_without_a_case_there_is_no_mean() -> None:
    assert mean_case_dice(run_of({"front": None})) is None
    assert mean_case_dice(SimpleNamespace(metrics={"measures": None})) is None  # type: ignore[arg-type]
