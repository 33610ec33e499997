"""Equal warnings are said once on one way, and again on the next."""

import logging

import pytest

from scan2seg.logging import info, stage, warn, warning_once


def test_equal_warnings_are_said_once_within_a_block(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("scan2seg").propagate = True
    with caplog.at_level(logging.INFO):
        for _ in range(2):
            with warning_once():
                for name in ("a", "a", "b"):
                    warn("left out: %s", name)
                    info("read")
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING] == [
        "left out: a", "left out: b", "left out: a", "left out: b",
    ]  # fmt: skip
    assert sum(record.getMessage() == "read" for record in caplog.records) == 6


def test_a_stage_says_them_once(tmp_path) -> None:
    with stage("job", tmp_path / "log"):
        warn("twice")
        warn("twice")
    assert (tmp_path / "log").read_text().count("twice") == 1
