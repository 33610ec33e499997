"""What every script of the workflow does around its stage: the log, the errors, and who owns the outputs."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from scan2seg.logging import stage
from scan2seg.origin import place_of, read_provenance
from scan2seg.ownership import owning
from scan2seg.provenance import fingerprint, record
from scan2seg.watchdog import watching
from scan2seg.workflow_outputs import SINCE


@contextmanager
def job(snakemake: Any) -> Iterator[bool]:
    """Run a job of the workflow; yield False where another process made the same outputs since it was asked for.

    Raises:
        SystemExit: with status 1 after an error; the message is logged.
    """
    with stage(snakemake.rule, snakemake.log[0], snakemake.resources.get("mem_mb")):
        outputs = [Path(output) for output in snakemake.output]
        since = float(os.environ.get(SINCE, "inf"))
        read = [path for path in map(str, snakemake.input) if place_of(path)]
        describe = partial(_describe_origin, snakemake)
        # waiting for another owner is no stall
        with owning(outputs, snakemake.rule, describe_job(snakemake), since, read, describe) as needed, watching():
            yield needed


def describe_job(snakemake: Any) -> str:
    """Return a fingerprint of what decides the outputs of a job: its rule, parameters, and inputs by size and time."""
    states = {str(path): _state(Path(path)) for path in snakemake.input}
    return fingerprint([snakemake.rule, dict(snakemake.params.items()), states])


def _describe_origin(snakemake: Any) -> dict[str, Any]:
    """Return the provenance of outputs that hold none of their own, such as tables and pages; nothing where all do."""
    if all(read_provenance(Path(output)) for output in snakemake.output):
        return {}
    code = {path for name in ("code", "templates") for path in _as_list(snakemake.input.get(name))}
    inputs = [path for path in snakemake.input if path not in code]
    return {"provenance": record(dict(snakemake.params.items()), inputs)}


def _as_list(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value or ())


def _state(path: Path) -> list[int]:
    stamp = path / ".snakemake_timestamp"
    found = (stamp if stamp.exists() else path).stat()
    return [0 if path.is_dir() else found.st_size, found.st_mtime_ns]
