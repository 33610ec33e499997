"""Start the processes that train one model together, pass on what they say, and let none outlive the others.

The processes are on one machine and find each other through a file in a folder that only the user can read;
torchrun's store, a server on every network interface, is not used. What they then send each other stays on the
loopback interface and, between GPUs, on their links.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

from scan2seg.documents import Json
from scan2seg.errors import InputError
from scan2seg.imports import share_source
from scan2seg.logging import LOGGER, info
from scan2seg.training import worker
from scan2seg.training.job import TrainingJob

GRACE_SECONDS = 10.0
"""After a worker failed, the others have this long to say why."""


def launch(job: TrainingJob, devices: int, device: str) -> None:
    """Train in this many processes and return when all are done.

    Args:
        job: what every process is to train.
        devices: how many processes.
        device: cpu, or cuda for a GPU each.

    Raises:
        InputError: a worker raised it; the message is the worker's.
        RuntimeError: a worker ended in another way; its last lines are a note of the error.
    """
    info("training in %d processes", devices)
    share_source()
    workers: list[_Worker] = []
    with tempfile.TemporaryDirectory(prefix="scan2seg-") as folder:
        part = {"job": job.model_dump(mode="json"), "devices": devices, "device": device}
        part["store"] = str(Path(folder) / "store")
        try:
            for rank in range(devices):
                workers.append(_Worker(rank, part))
            _wait(workers)
            failed = [each for each in workers if each.process.poll() not in (None, 0)]
        finally:
            for each in workers:
                each.end()
    if failed:
        raise _explain(workers, failed)


class _Worker:
    """A process that trains, with what it said."""

    def __init__(self, rank: int, part: Json) -> None:
        self.rank = rank
        self.mistake: str | None = None
        self.last_lines: list[str] = []
        self.errors = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115
        interface = {"GLOO_SOCKET_IFNAME": "lo", "NCCL_SOCKET_IFNAME": "lo"}
        place = {"RANK": str(rank), "LOCAL_RANK": str(rank), "NODE_RANK": "0", "WORLD_SIZE": str(part["devices"])}
        # a session of its own: Ctrl-C reaches the launcher alone, which then ends all of them
        self.process = subprocess.Popen(
            [sys.executable, "-m", worker.__name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            env={**os.environ, **interface, **place},
            text=True,
            encoding="utf-8",
            start_new_session=True,
        )
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps({**part, "rank": rank}) + "\n")
            self.process.stdin.flush()

    def end(self) -> None:
        """Kill the process, with any that it started, unless it has ended; then hear it out."""
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):
            self.process.stdin.close()
        if self.process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.reader.join()
        self.errors.seek(0)
        self.last_lines = self.errors.read().rstrip().splitlines()[-25:]
        self.errors.close()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as stream:
            for line in stream:
                report = json.loads(line)
                if "mistake" in report:
                    self.mistake = report["mistake"]
                else:
                    LOGGER.log(report["level"], "%s", report["message"])


def _wait(workers: list[_Worker]) -> None:
    """Wait until all have ended, or one has failed and the others had their time to fail too."""
    deadline: float | None = None
    while deadline is None or time.monotonic() < deadline:
        states = [each.process.poll() for each in workers]
        if None not in states:
            return
        if deadline is None and any(states):
            deadline = time.monotonic() + GRACE_SECONDS
        time.sleep(0.1)


def _explain(workers: list[_Worker], failed: list[_Worker]) -> Exception:
    mistakes = [each.mistake for each in workers if each.mistake]
    if mistakes:
        return InputError(mistakes[0])
    # one that was killed by a signal is the cause, those that miss it the consequence
    first = min(failed, key=lambda each: each.process.returncode)
    code = first.process.returncode
    if code < 0:
        reason = f"was killed by signal {-code} ({signal.Signals(-code).name})"
        if code == -signal.SIGKILL:
            reason += "; if memory ran out, raise resources.mem_mb or lower training.devices"
    else:
        reason = (first.last_lines or [f"ended with status {code}"])[-1]
    error = RuntimeError(f"training process {first.rank + 1} of {len(workers)}: {reason}")
    for each in failed:
        error.add_note(f"The last lines of process {each.rank + 1}:\n" + "\n".join(each.last_lines))
    return error
