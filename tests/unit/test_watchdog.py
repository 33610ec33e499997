"""A job that waits for nothing is told of and ended where asked; one that works is left alone."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from pydantic import ValidationError

from scan2seg import watchdog
from scan2seg.config.experiment import Cluster

WAITING = "time.sleep(120)"
WORKING = "end = time.monotonic() + 6\n    while time.monotonic() < end: pass"
WRITING = """
    with open('written', 'wb', buffering=0) as file:
        for _ in range(30):
            file.write(bytes(4096))
            time.sleep(0.2)"""
DEAF = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n    time.sleep(120)"


def run(folder: Path, work: str, *, end: bool) -> tuple[int, str]:
    """Run a stage that counts as stalled after 1.5 s; return its status and its log."""
    script = (
        "import signal, time\nfrom scan2seg import watchdog\nfrom scan2seg.logging import stage\nwatchdog.GRACE = 1\n"
        f"with stage('train_model', {str(folder / 'log')!r}), watchdog.watching():\n    {work}\n"
    )
    environment = {**os.environ, watchdog.VARIABLE: f"0.025 {'end' if end else 'say'}"}
    process = subprocess.Popen([sys.executable, "-c", script], cwd=folder, env=environment, stderr=subprocess.DEVNULL)
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


def bytes_written(folder: Path) -> int:
    before = psutil.Process().io_counters().write_bytes
    (folder / "probe").write_bytes(bytes(4096))
    return psutil.Process().io_counters().write_bytes - before


def test_a_job_that_uses_the_disk_alone_is_left_alone(tmp_path: Path) -> None:
    if not bytes_written(tmp_path):
        pytest.skip("temporary files are in memory: what is written to them is not counted as the disk's")
    status, log = run(tmp_path, WRITING, end=True)
    assert status == 0 and "no progress" not in log


def test_a_job_that_does_not_end_by_itself_is_killed(tmp_path: Path) -> None:
    status, log = run(tmp_path, DEAF, end=True)
    assert status == -signal.SIGKILL and "so it is ended" in log


def test_what_ended_children_used_is_counted() -> None:
    before, _ = watchdog._used()
    script = "import time\nwhile time.process_time() < 0.5: pass"
    subprocess.run([sys.executable, "-c", script], check=True)
    assert watchdog._used()[0] - before > 0.4


def test_an_end_without_a_limit_is_refused() -> None:
    with pytest.raises(ValidationError, match="add stalled_minutes: 30"):
        Cluster(end_stalled=True)
    assert Cluster(end_stalled=True, stalled_minutes=30).end_stalled


def test_jobs_are_told_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(watchdog.VARIABLE, "1 say")
    watchdog.announce_limit(30, end=True)
    assert os.environ[watchdog.VARIABLE] == "30 end"
    watchdog.announce_limit(None, end=True)
    assert watchdog.VARIABLE not in os.environ
