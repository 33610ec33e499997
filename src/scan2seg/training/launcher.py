"""Start the processes that train one model together, pass on what they say, and let none outlive the others.

The processes find each other through a file in a folder that only the user can read; torchrun's store, a server on
every network interface, is not used. On one machine, what they then send each other stays on the loopback interface
and, between GPUs, on their links; on the nodes of a Slurm job, where ``srun`` starts them, it takes the network.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
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


def launch(job: TrainingJob, devices: int, device: str, nodes: int = 1) -> None:
    """Train in this many processes and return when all are done.

    Args:
        job: what every process is to train.
        devices: how many processes, on all nodes together.
        device: cpu, or cuda for a GPU each.
        nodes: on how many nodes of this Slurm job, as many on each; 1 for this machine.

    Raises:
        InputError: a worker raised it, the message is the worker's; or this job has another number of nodes.
        RuntimeError: a worker ended in another way; its last lines are a note of the error.
    """
    places: Sequence[str | None] = _allocated_nodes(nodes) if nodes > 1 else [None]
    info("training in %d processes%s", devices, f" on {', '.join(map(str, places))}" if nodes > 1 else "")
    share_source()
    workers: list[_Worker] = []
    # what only this machine sees is no meeting place for others
    job.output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".scan2seg-", dir=job.output if nodes > 1 else None) as folder:
        part = {"job": job.model_dump(mode="json"), "devices": devices, "device": device}
        part["store"] = str(Path(folder).resolve() / "store")
        try:
            for rank in range(devices):
                workers.append(_Worker(rank, part, devices // nodes, places))
            _wait(workers)
            failed = [each for each in workers if each.process.poll() not in (None, 0)]
        finally:
            for each in workers:
                each.end()
    if failed:
        raise _explain(workers, failed)


def _allocated_nodes(wanted: int) -> list[str]:
    """Return the names of the nodes of this Slurm job; the environment of a step names those of the step."""
    job, found = os.environ.get("SLURM_JOB_ID"), ""
    if job is not None:
        listed = _ask("squeue", "--noheader", "--format=%N", "--jobs", job)
        found = _ask("scontrol", "show", "hostnames", listed)
    nodes = found.split()
    if len(nodes) != wanted:
        raise InputError(
            f"training.nodes: {wanted}, but this job has {len(nodes) or 1}; "
            "run it on Slurm, which is asked for as many, or set it to 1"
        )
    return nodes


def _ask(*command: str) -> str:
    """Return what a command of Slurm prints, without the end of the line; nothing where there is none."""
    with suppress(OSError):
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    return ""


def _starter(node: str | None) -> list[str]:
    """Return what starts a command on a node: nothing here, else a step that shares what the job has there."""
    if node is None:
        return []
    return ["srun", "--overlap", "--nodes=1", "--ntasks=1", f"--nodelist={node}", "--unbuffered", "--cpu-bind=none"]


class _Worker:
    """A process that trains, with what it said."""

    def __init__(self, rank: int, part: Json, on_each: int, places: Sequence[str | None]) -> None:
        self.rank = rank
        self.mistake: str | None = None
        self.last_lines: list[str] = []
        self.errors = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115
        interface = {} if len(places) > 1 else {"GLOO_SOCKET_IFNAME": "lo", "NCCL_SOCKET_IFNAME": "lo"}
        node, local = divmod(rank, on_each)
        place = {"RANK": rank, "LOCAL_RANK": local, "NODE_RANK": node, "WORLD_SIZE": part["devices"]}
        # a session of its own: Ctrl-C reaches the launcher alone, which then ends all of them
        self.process = subprocess.Popen(
            [*_starter(places[node]), sys.executable, "-m", worker.__name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            env={**os.environ, **interface, **{name: str(number) for name, number in place.items()}},
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
