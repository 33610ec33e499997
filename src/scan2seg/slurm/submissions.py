"""Which Slurm job was submitted for which outputs, kept while its end has not been seen.

A record that is there when a job is to be submitted was left by a snakemake that died: the Slurm job of that time may
still wait or run, or has ended unseen.
"""

import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from scan2seg.adapter import describe_job
from scan2seg.ownership import is_made
from scan2seg.replacement import replacing

FOLDER = Path(".snakemake/slurm_jobs")


@dataclass(frozen=True)
class Submission:
    """A Slurm job, the name of the run that it was submitted by, and what it makes."""

    job: str
    run: str
    log: str
    rules: list[str]
    outputs: list[str]
    contents: list[str]
    """What decides the outputs of each rule: see ``adapter.describe_job``."""
    submitted: float

    def is_made(self, since: float) -> bool:
        """Tell whether all has been made since a time, of just what it was submitted for."""
        return all(
            is_made(Path(output), content, since) for output, content in zip(self.outputs, self.contents, strict=True)
        )


def describe(job: Any, number: str, run: str, log: Path) -> Submission:
    """Describe a job or group of jobs of Snakemake that is submitted now."""
    members = members_of(job)
    return Submission(
        number,
        run,
        str(log),
        [member.rule.name for member in members],
        [str(member.output[0]) for member in members],
        [content_of(member) for member in members],
        time.time(),
    )


def members_of(job: Any) -> list[Any]:
    """Return the jobs of a group, by their first outputs, or the job itself; a job without outputs is not submitted."""
    return sorted(job.jobs, key=lambda member: str(member.output[0])) if job.is_group() else [job]


def content_of(member: Any) -> str:
    """Return what decides the outputs of a job; nothing where its inputs are still to be made by its own group."""
    fields = SimpleNamespace(rule=member.rule.name, params=member.params, input=member.input)
    try:
        return describe_job(fields)
    except FileNotFoundError:
        return ""


def remember(submission: Submission) -> None:
    """Write the record of a submitted job."""
    with replacing(_file(submission.outputs)) as partial:
        partial.write_text(json.dumps(asdict(submission)), "utf-8")


def recall(job: Any) -> Submission | None:
    """Return the earlier submission of a job whose end nobody has seen, if it was for the same content."""
    members = members_of(job)
    found = _read(_file([str(member.output[0]) for member in members]))
    if found is None:
        return None
    contents = [content_of(member) for member in members]
    same = all(old in ("", new) for old, new in zip(found.contents, contents, strict=True))
    return found if same else None


def forget(job: Any) -> None:
    """Remove the record of a job whose end has been seen."""
    _file([str(member.output[0]) for member in members_of(job)]).unlink(missing_ok=True)


def read_all() -> Iterator[Submission]:
    """Iterate over the jobs whose end has not been seen."""
    for file in sorted(FOLDER.glob("*.json")):
        found = _read(file)
        if found:
            yield found


def _file(outputs: list[str]) -> Path:
    return FOLDER / f"{hashlib.sha256(json.dumps(outputs).encode()).hexdigest()[:24]}.json"


def _read(file: Path) -> Submission | None:
    try:
        return Submission(**json.loads(file.read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None
