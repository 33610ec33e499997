"""Which jobs have ended, by answers that do not name all of them."""

import logging

import pytest

from scan2seg.slurm import controller
from scan2seg.slurm.controller import Controller, is_unreachable


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)", True),
        ("sbatch: error: Batch job submission failed: Socket timed out on send/recv operation", True),
        ("sbatch: error: invalid partition specified: nowhere", False),
        ("sbatch: error: Batch job submission failed: Invalid account or account/partition combination", False),
        ("sbatch: error: Batch job submission failed: Requested node configuration is not available", False),
    ],
)
def test_a_refused_request_is_told_from_an_absent_controller(message: str, expected: bool) -> None:
    assert is_unreachable(message) is expected


def test_a_missing_job_has_ended_only_where_the_controller_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, known = [0.0], {"1": "RUNNING", "2": None, "3": None}
    monkeypatch.setattr(controller.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(controller, "ask_state", lambda job: known[job])
    watched = Controller(logging.getLogger("test"))

    def answer() -> dict[str, str]:
        return watched.complete({"4": "RUNNING"}, known, lambda job: job == "2")

    assert answer() == {"4": "RUNNING"}
    clock[0] = controller.FORGOTTEN - 1
    assert answer() == {"4": "RUNNING"}
    clock[0] = controller.FORGOTTEN
    assert answer() == {"4": "RUNNING", "2": "COMPLETED", "3": "FAILED"}
