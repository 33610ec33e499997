"""The commands that start an experiment and look at it while it runs."""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scan2seg.errors import InputError

ROOT = Path(__file__).parents[2]
"""Where the Snakefile lies, for an installation from the repository."""
AMOUNT = ("-c", "-j", "--cores", "--jobs", "--profile")
"""Options of Snakemake that say where jobs run and how many."""


def add_commands(commands: Any) -> None:
    """Add the commands to the parser's."""
    run = commands.add_parser("run", help="run an experiment, or go on with it", description=_run.__doc__)
    run.add_argument("experiment", type=Path, help="an experiment file")
    run.add_argument("options", nargs=argparse.REMAINDER, help="options of snakemake, such as --profile slurm or -n")
    run.set_defaults(run=_run)

    status = commands.add_parser("status", help="show how far an experiment is", description=_status.__doc__)
    status.add_argument("experiment", type=Path, help="an experiment file")
    status.add_argument("--json", action="store_true", help="print JSON")
    status.set_defaults(run=_status)


def make_command(experiment: Path, options: Sequence[str], folder: Path) -> list[str]:
    """Return the command line of Snakemake: on all cores of this machine, unless the options say where.

    Raises:
        InputError: there is no experiment file, or no Snakefile.
    """
    if not experiment.is_file():
        raise InputError(f"{experiment}: there is no such file; name an experiment, as config/experiments/demo.yaml")
    snakefile = next((path for path in (folder / "Snakefile", ROOT / "Snakefile") if path.is_file()), None)
    if snakefile is None:
        raise InputError(f"{folder}: has no Snakefile; run this in the repository")
    where = [] if any(option.startswith(AMOUNT) for option in options) else ["--cores", "all", "--keep-going"]
    start = [sys.executable, "-m", "snakemake", "--snakefile", str(snakefile), *where]
    return [*start, *options, "--configfile", str(experiment)]


def _run(given: argparse.Namespace) -> None:
    """Run an experiment, or go on with one whose snakemake was killed: `snakemake --configfile EXPERIMENT` with the
    options that follow, on all cores where they do not say where. Nothing needs to be unlocked or named: jobs that
    still run are waited for, what was finished stays."""
    from scan2seg.results_commands import load_catalogue
    from scan2seg.status import describe_runs

    command = make_command(given.experiment, given.options, Path.cwd())
    settings = load_catalogue(given.experiment).experiment.settings
    for line in describe_runs(Path(settings.results, "reports", settings.experiment)):
        print(f"{line}; this one waits where both want the same", file=sys.stderr)
    sys.stdout.flush()
    os.execv(command[0], command)


def _status(given: argparse.Namespace) -> None:
    """Show how many jobs of each stage are done, running, queued, waiting and failed, the epoch and time left of each
    training, and the log of each failure. It only looks, so it can be asked while the experiment runs."""
    from scan2seg.catalogue.jobs import jobs
    from scan2seg.results_commands import load_catalogue
    from scan2seg.status import as_json, describe_runs, find_status, word_status

    catalogue = load_catalogue(given.experiment)
    settings = catalogue.experiment.settings
    statuses = find_status(jobs(catalogue), Path(settings.results))
    if given.json:
        print(json.dumps(as_json(statuses), indent=2))
        return
    done = sum(status.state == "done" for status in statuses)
    runs = describe_runs(Path(settings.results, "reports", settings.experiment)) or ["no snakemake runs"]
    print(f"{settings.experiment}: {done} of {len(statuses)} jobs done; {'; '.join(runs)}\n")
    print(word_status(statuses))
