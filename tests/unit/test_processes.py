"""A process is its number and its start."""

import os
import subprocess
import sys

import psutil
import pytest

from scan2seg import processes


def test_a_process_is_known_by_its_number_and_its_start() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        start = processes.started(other.pid)
        assert start is not None and processes.started() is not None and start >= processes.started()
        assert processes.is_running(other.pid, start) and processes.is_running(other.pid, None)
        assert not processes.is_running(other.pid, start - 1)
        other.communicate(b"\n")
    assert processes.started(other.pid) is None and not processes.is_running(other.pid, start)
    assert processes.is_running(os.getpid(), processes.started())
    assert not processes.is_running(2**62, None) and not processes.is_running(-1, None)


def test_a_process_that_the_system_hides_may_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine that shows its users no process of others (``hidepid``): only a signal tells."""

    def hide(_: int) -> None:
        raise psutil.NoSuchProcess(17)

    def refuse(*_: int) -> None:
        raise PermissionError(1, "not yours")

    monkeypatch.setattr(psutil, "Process", hide)
    assert not processes.is_running(2**30, None)
    monkeypatch.setattr(os, "kill", refuse)
    assert processes.is_running(17, 5) and processes.started(17) is None


def test_setting_the_clock_changes_no_start(monkeypatch: pytest.MonkeyPatch) -> None:
    before = processes.started(os.getpid())
    created = psutil.Process.create_time
    monkeypatch.setattr(psutil.Process, "create_time", lambda process: created(process) + 3600)
    assert before is not None and processes.started(os.getpid()) == before
