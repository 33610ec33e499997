"""The Slurm controller as the submitting process sees it: whether it answers, and which jobs it has forgotten."""

import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterable
from logging import Logger

UNREACHABLE = re.compile(
    "unable to contact slurm controller|socket timed out|zero bytes were transmitted|connection refused"
    "|connection timed out|connection reset|backup controller|standby|temporarily unable to accept|slurmdbd"
    "|resource temporarily unavailable|error connecting|communication connection failure",
    re.IGNORECASE,
)
"""What Slurm's commands say where the controller or its database is away, but the request may be good."""
FORGOTTEN = 60.0
"""Seconds for which a job must be missing from the answers before the controller is asked whether it knows it."""
REMINDER = 600.0
"""Seconds between two remarks that there is still no answer."""
ENDED = {
    "BOOT_FAIL",
    "CANCELLED",
    "COMPLETED",
    "DEADLINE",
    "FAILED",
    "NODE_FAIL",
    "OUT_OF_MEMORY",
    "TIMEOUT",
    "REVOKED",
}


def is_unreachable(message: str) -> bool:
    """Tell whether a message of a Slurm command means that the controller is away, not that the request is wrong."""
    return UNREACHABLE.search(message) is not None


class Controller:
    """What is known of the controller between two questions."""

    def __init__(self, logger: Logger) -> None:
        """Know nothing yet; what the user should know goes to the logger."""
        self.logger = logger
        self.leaving = threading.Event()
        """Set when the run ends, so that nothing waits for the controller any longer."""
        self.silent_since: float | None = None
        self._told = 0.0
        self._missing: dict[str, float] = {}
        self._settled: dict[str, str] = {}

    def hear(self, answered: bool, words: str = "") -> None:
        """Take note of an answer, or of what a command said in its place; tell the user when that changes."""
        now = time.monotonic()
        if answered and self.silent_since is not None:
            self.logger.info(f"Slurm answers again, after {now - self.silent_since:.0f} s")
            self.silent_since = None
        elif not answered and (self.silent_since is None or now - self._told >= REMINDER):
            self.silent_since = self.silent_since or now
            self._told = now
            said = words.strip() or "no answer within a minute"
            self.logger.warning(
                f"Slurm does not answer; jobs are left as they are, and it is asked again. It said: {said}"
            )

    def wait(self, interval: float) -> bool:
        """Wait until the controller answers, asking at an interval in seconds; False where the run ends before."""
        while not self.leaving.wait(interval):
            if answers():
                self.hear(True)
                return True
        return False

    def settle(self, job: str, state: str) -> None:
        """Let a job that ended unseen have this state in the next answer."""
        self._settled[job] = state

    def complete(self, states: dict[str, str], jobs: Iterable[str], is_made: Callable[[str], bool]) -> dict[str, str]:
        """Add to an answer the jobs that have ended although the controller does not name them any more.

        Args:
            states: job to state, as the controller answered.
            jobs: the jobs that are waited for.
            is_made: tells whether the outputs of a job have been made since it was submitted.
        """
        now = time.monotonic()
        found = dict(states)
        for job in jobs:
            if job in self._settled:
                found[job] = self._settled.pop(job)
            elif job in states:
                self._missing.pop(job, None)
            elif now - self._missing.setdefault(job, now) >= FORGOTTEN and ask_state(job) is None:
                made = is_made(job)
                outcome = "what it makes is there" if made else "what it makes is not there, so it counts as failed"
                self.logger.warning(f"Slurm has forgotten job {job}; {outcome}")
                found[job] = "COMPLETED" if made else "FAILED"
        return found


def answers() -> bool:
    """Tell whether the controller answers a question."""
    command = ["squeue", "--noheader", "--jobs", "0", "--name", "scan2seg"]
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except subprocess.TimeoutExpired:
        return False
    return not is_unreachable(result.stderr)


def ask_state(job: str) -> str | None:
    """Return the state of a job, or None where the controller does not know it.

    Raises:
        ConnectionError: the controller does not answer.
    """
    command = ["squeue", "--noheader", "--states=all", "--format=%T", "--jobs", job]
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except subprocess.TimeoutExpired as error:
        raise ConnectionError("no answer within a minute") from error
    if result.returncode == 0:
        return result.stdout.strip() or None
    if "invalid job id" in result.stderr.lower():
        return None
    raise ConnectionError(result.stderr.strip())
