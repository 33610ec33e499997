"""What a job asks for when it is tried again, in dry runs of the real rules."""

import re

import pytest
from pipeline import Pipeline

pytestmark = pytest.mark.slow
LINE = "12:00:00 train_model: INFO epoch 9/10: train loss 0.5 (60.0 s, at most 120 s left)\n"


def minutes_of(pipeline: Pipeline, attempt: int) -> list[int]:
    words = ("--forcerun", "train_model", "--until", "train_model", "--attempt", str(attempt))
    result = pipeline.run("-n", *words)
    assert result.returncode == 0, result.stderr
    jobs = [part for part in re.split(r"\n(?=rule |localrule )", result.stdout) if part.startswith("rule train_model:")]
    return sorted(int(re.search(r"runtime=(\d+)", job)[1]) for job in jobs if "/small-" in job)  # type: ignore[index]


def test_a_training_that_is_tried_again_asks_for_the_time_that_is_left(pipeline: Pipeline) -> None:
    logs = sorted((pipeline.folder / "results/logs/train_model").glob("small-*/seed0.log"))
    kept = [log.read_text() for log in logs]
    asked = minutes_of(pipeline, 1)
    assert len(set(asked)) == 1 and len(asked) == len(logs) == 2
    try:
        for log in logs:
            log.write_text("12:00:00 train_model: INFO started\n")
        assert minutes_of(pipeline, 2) == [round(minutes * 1.6) for minutes in asked]
        logs[0].write_text(LINE)
        assert minutes_of(pipeline, 1) == asked
        assert minutes_of(pipeline, 2) == [3 + 10, round(asked[0] * 1.6)]
    finally:
        for log, text in zip(logs, kept, strict=True):
            log.write_text(text)
