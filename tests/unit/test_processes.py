"""A process is its number and its start."""

import os
import subprocess
import sys

from scan2seg import processes


def test_a_process_is_known_by_its_number_and_its_start() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        start = processes.started(other.pid)
        assert start is not None and processes.started() is not None and start >= processes.started()
        assert processes.is_running(other.pid, start) and processes.is_running(other.pid, None)
        assert not processes.is_running(other.pid, start - 60)
        other.communicate(b"\n")
    assert processes.started(other.pid) is None and not processes.is_running(other.pid, start)
    assert processes.is_running(os.getpid(), processes.started())
    assert not processes.is_running(2**62, None) and not processes.is_running(-1, None)
