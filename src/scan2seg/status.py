"""How far an experiment is, seen from outside: by outputs, owner files, logs and the jobs in Slurm's queue."""

import re
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from scan2seg.catalogue.jobs import Job
from scan2seg.ownership import find_owner, owner_file
from scan2seg.remaining import find_epoch
from scan2seg.slurm.submissions import read_all

STATES = ("done", "running", "queued", "waiting", "failed")
"""In the order in which they are shown; queued is what Slurm has and has not started."""
LINE = re.compile(r"^\d\d:\d\d:\d\d \w+: (?P<level>INFO|WARNING|ERROR) (?P<text>.*)$")
_TAIL = 20_000


@dataclass(frozen=True)
class JobStatus:
    """The state of one job, in words of ``STATES``."""

    stage: str
    place: str
    state: str
    log: str
    note: str = ""
    """Of a running job its last line, of a failed one the error."""
    owner: str = ""
    """The process, host and Slurm job of a running job; the Slurm job of a queued one."""


def find_status(jobs: Iterable[Job], results: Path) -> list[JobStatus]:
    """Return the state of every job.

    Whether what is there is still up to date is for ``snakemake -n`` to say: an output that exists counts as done.
    """
    queued = {output: submission.job for submission in read_all() for output in submission.outputs}
    return [_status_of(job, results, queued) for job in jobs]


def _status_of(job: Job, results: Path, queued: dict[str, str]) -> JobStatus:
    output, log = results / job.output, results / job.log
    lines = _read_lines(log)
    ended = bool(lines) and lines[-1][1].startswith("finished in")
    error = "" if ended else next((text for level, text in reversed(lines) if level == "ERROR"), "")
    owner = find_owner(owner_file(output)) if owner_file(output).exists() else None
    if owner is not None:
        slurm = f", Slurm job {owner['slurm_job']}" if owner.get("slurm_job") else ""
        who = f"process {owner.get('process')} on {owner.get('host')}{slurm}"
        return JobStatus(job.stage, job.place, "running", str(log), _describe_progress(lines, log), who)
    if str(output) in queued:
        return JobStatus(job.stage, job.place, "queued", str(log), owner=f"Slurm job {queued[str(output)]}")
    if error:
        return JobStatus(job.stage, job.place, "failed", str(log), error)
    if output.exists():
        return JobStatus(job.stage, job.place, "done", str(log))
    if lines:
        last = lines[-1][1]
        return JobStatus(
            job.stage, job.place, "failed", str(log), f"ended without an error, as if killed, after: {last}"
        )
    return JobStatus(job.stage, job.place, "waiting", str(log))


def _read_lines(log: Path) -> list[tuple[str, str]]:
    """Return level and text of the lines at the end of a log; what is not a line of a stage is left out."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _TAIL))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return []
    found = (LINE.match(line) for line in text.splitlines())
    return [(match["level"], match["text"]) for match in found if match]


def _describe_progress(lines: list[tuple[str, str]], log: Path) -> str:
    """Return the epoch and the time left of a training, else what the job said last."""
    texts = [text for level, text in lines if level == "INFO"]
    epoch = find_epoch(reversed(texts))
    if epoch is None:
        return texts[-1] if texts else ""
    left = max(0.0, float(epoch[3]) - (time.time() - log.stat().st_mtime))
    return f"epoch {epoch[1]} of {epoch[2]} done, at most {word_duration(left)} left"


def word_duration(seconds: float) -> str:
    """Return seconds in words."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def describe_runs(folder: Path) -> list[str]:
    """Say which snakemake works on an experiment now.

    Args:
        folder: of the experiment's report.
    """
    owners = [owner for file in sorted(folder.glob(".run.*.owner")) if (owner := find_owner(file))]
    return [f"snakemake runs as process {owner.get('process')} on {owner.get('host')}" for owner in owners]


def word_status(statuses: list[JobStatus]) -> str:
    """Return a table of stages, and a line on every job that runs or failed."""
    stages = dict.fromkeys(status.stage for status in statuses)
    rows: list[tuple[str, ...]] = [("stage", *STATES)]
    for stage in stages:
        states = [status.state for status in statuses if status.stage == stage]
        rows.append((stage, *(str(states.count(state) or "") for state in STATES)))
    table = ["".join([f"{row[0]:<22}", *(f"{cell:>9}" for cell in row[1:])]).rstrip() for row in rows]
    for state in ("running", "failed"):
        found = [status for status in statuses if status.state == state]
        table += ["", state] if found else []
        for status in found:
            table.append(f"  {status.stage} {status.place}: {status.note}")
            table.append(f"    {status.log}{f'  ({status.owner})' if status.owner else ''}")
    return "\n".join(table)


def as_json(statuses: list[JobStatus]) -> list[dict[str, Any]]:
    """Return the states as plain JSON."""
    return [asdict(status) for status in statuses]
