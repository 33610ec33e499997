"""What a stage says: equal warnings once on one way and again on the next, and one sentence of a full disk."""

import errno
import logging
import os
import sqlite3
from pathlib import Path

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


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "a.tif"), "the disk is full; free space and run again"),
        (OSError(errno.EDQUOT, os.strerror(errno.EDQUOT), "a.tif"), "the disk is full; free space and run again"),
        (sqlite3.OperationalError("database or disk is full"), "the disk is full; free space and run again"),
        (OSError(errno.EROFS, os.strerror(errno.EROFS), "a.tif"), "a.tif: cannot be written (Read-only file system)"),
    ],
)
def test_a_disk_that_takes_nothing_is_one_sentence_without_a_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], error: Exception, said: str
) -> None:
    with pytest.raises(SystemExit, match="1"), stage("job", tmp_path / "log"):
        raise error
    for text in ((tmp_path / "log").read_text(), capsys.readouterr().err):
        assert said in text and "Traceback" not in text and "details" not in text


def test_another_error_has_its_traceback_in_the_log(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="1"), stage("job", tmp_path / "log"):
        raise OSError(errno.EIO, "Input/output error")
    assert "Traceback" in (tmp_path / "log").read_text()


def test_a_log_that_cannot_be_written_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit, match="1"), stage("job", tmp_path / "file" / "log"):
        pass
    assert f"job: ERROR {tmp_path}/file/log: the log cannot be written" in capsys.readouterr().err


def test_a_log_on_a_full_disk_ends_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "log").symlink_to("/dev/full")
    with stage("job", tmp_path / "log"):
        info("the work goes on")
    said = capsys.readouterr().err
    assert "the work goes on" in said and "Traceback" not in said
