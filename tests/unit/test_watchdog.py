"""A job that waits for nothing is told of and ended where asked; one that works is left alone."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from scan2seg import watchdog

WAITING, WORKING = "time.sleep(120)", "end = time.monotonic() + 6\n    while time.monotonic() < end: pass"


def run(folder: Path, work: str, *, end: bool) -> tuple[int, str]:
    """Run a stage that counts as stalled after 1.5 s; return its status and its log."""
    script = (
        "import time\nfrom scan2seg import watchdog\nfrom scan2seg.logging import stage\n"
        f"with stage('train_model', {str(folder / 'log')!r}), watchdog.watching():\n    {work}\n"
    )
    environment = {**os.environ, watchdog.VARIABLE: f"0.025 {'end' if end else 'say'}"}
    process = subprocess.Popen([sys.executable, "-c", script], env=environment, stderr=subprocess.DEVNULL)
    log, limit = folder / "log", time.monotonic() + 90
    while process.poll() is None and time.monotonic() < limit:
        time.sleep(0.2)
        if not end and log.exists() and "no progress" in log.read_text():
            process.kill()
    process.kill()
    return process.wait(), log.read_text()


@pytest.mark.parametrize("end", [True, False])
def test_a_stalled_job_is_said_and_ended_only_where_asked(tmp_path: Path, end: bool) -> None:
    status, log = run(tmp_path, WAITING, end=end)
    assert "no progress for 0.025 min" in log
    assert ("so it is ended (cluster.end_stalled)" in log) == end
    assert status == (128 + signal.SIGTERM if end else -signal.SIGKILL)


def test_a_job_that_works_is_left_alone(tmp_path: Path) -> None:
    status, log = run(tmp_path, WORKING, end=True)
    assert status == 0 and "no progress" not in log


def test_jobs_are_told_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(watchdog.VARIABLE, "1 say")
    watchdog.announce_limit(30, end=True)
    assert os.environ[watchdog.VARIABLE] == "30 end"
    watchdog.announce_limit(None, end=True)
    assert watchdog.VARIABLE not in os.environ
