"""The commands that look at and tidy a results folder."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scan2seg.errors import InputError
from scan2seg.results_folder import check_results
from scan2seg.secrets import hide_credentials

if TYPE_CHECKING:
    from scan2seg.catalogue import Catalogue


def add_commands(commands: Any) -> None:
    """Add the commands to the parser's."""
    where = commands.add_parser(
        "where",
        help="print where an experiment's results lie, or what a file was made from",
        description=_where.__doc__,
    )
    where.add_argument("experiment", type=Path, nargs="?", help="an experiment file")
    where.add_argument("--from", dest="source", type=Path, metavar="FILE", help="a result whose origin is wanted")
    where.add_argument("--json", action="store_true", help="print JSON")
    where.set_defaults(run=_where)

    clean = commands.add_parser(
        "clean", help="list results that nothing refers to, and delete them", description=_clean.__doc__
    )
    clean.add_argument("experiments", type=Path, nargs="*", help="experiment files whose results are kept")
    clean.add_argument("--results", type=Path, help="folder of the results (the experiments', else results)")
    clean.add_argument("--yes", action="store_true", help="delete what is listed")
    clean.set_defaults(run=_clean)

    report = commands.add_parser(
        "report",
        help="make the report of what is there already, though some models failed",
        description=_report.__doc__,
    )
    report.add_argument("experiment", type=Path, help="an experiment file")
    report.set_defaults(run=_report)

    sync = commands.add_parser("sync", help="send an experiment to an MLflow server", description=_sync.__doc__)
    sync.add_argument("experiment", type=Path, help="an experiment file whose report is made")
    sync.add_argument("uri", help="the address of the server; ${NAME} in it is an environment variable")
    sync.set_defaults(run=_sync)

    relocate = commands.add_parser(
        "relocate", help="let MLflow find the artifacts of a moved results folder", description=_relocate.__doc__
    )
    relocate.add_argument("results", type=Path, nargs="?", default=Path("results"), help="the folder (results)")
    relocate.set_defaults(run=_relocate)


def load_catalogue(path: Path) -> "Catalogue":
    """Return everything that an experiment file makes.

    Raises:
        InputError: its results folder holds results of an older version.
    """
    from scan2seg.catalogue import Catalogue
    from scan2seg.config.experiment import load_experiment

    catalogue = Catalogue(load_experiment(path))
    check_results(catalogue.experiment.settings.results)
    return catalogue


def _where(given: argparse.Namespace) -> None:
    """Print name, key and path of everything that an experiment makes, and what is not made yet; or, with --from, what
    a file was made from, back to the raw files, with the settings of every step between."""
    from scan2seg.housekeeping import list_things

    if given.source is not None:
        _print_origin(given.source, as_json=given.json)
        return
    if given.experiment is None:
        raise InputError("name an experiment file, or a file by --from")
    catalogue = load_catalogue(given.experiment)
    things = list_things(catalogue, Path(catalogue.experiment.settings.results))
    if given.json:
        print(json.dumps(things, indent=2))
        return
    for item in things:
        print(
            f"{item['kind']:<15}{item['name']:<28}{item['key']}  {item['path']}{'' if item['made'] else '  (not made)'}"
        )


def _print_origin(source: Path, *, as_json: bool) -> None:
    from scan2seg.origin import trace

    steps = list(trace(source))
    if as_json:
        print(json.dumps([{"depth": depth, **item} for depth, item in steps], indent=2))
        return
    words = {"raw": "raw", "missing": "not there any more", "changed": "changed since"}
    for depth, item in steps:
        marks = [f"{item['files']} files"] if "files" in item else []
        marks += [word for key, word in words.items() if item[key]]
        print(f"{'  ' * depth}{item['path']}{'  (' + ', '.join(marks) + ')' if marks else ''}")
        if item.get("settings"):
            print(f"{'  ' * depth}    {json.dumps(item['settings'])}")


def _clean(given: argparse.Namespace) -> None:
    """List what no report of the results folder and none of the given experiments refers to, with sizes and ages;
    delete it with --yes."""
    from scan2seg.housekeeping import find_unused, remove

    catalogues = [load_catalogue(path) for path in given.experiments]
    named = {Path(catalogue.experiment.settings.results) for catalogue in catalogues}
    if given.results is None and len(named) > 1:
        raise InputError(f"the experiments have several results folders ({', '.join(map(str, named))}); give --results")
    results = given.results or next(iter(named), Path("results"))
    if not results.is_dir():
        raise InputError(f"{results}: there is no such folder; give --results")
    check_results(results)
    unused = find_unused(catalogues, results)
    for item in unused:
        print(f"{item.size / 1e6:>12.1f} MB  {item.age / 86400:>7.1f} days  {item.path}")
    total = sum(item.size for item in unused) / 1e6
    if given.yes:
        remove(unused)
    print(f"{len(unused)} unused, {total:.1f} MB{' deleted' if given.yes else '; delete with --yes' if unused else ''}")


def _report(given: argparse.Namespace) -> None:
    """Make the report of an experiment of which some models failed or still wait: of what was scored, saying what is
    missing and why. The workflow makes it anew when the rest is there."""
    from scan2seg.reporting.partial import describe_gap, report_what_is_there

    report, gaps = report_what_is_there(load_catalogue(given.experiment))
    print(report, *map(describe_gap, gaps), sep="\n")


def _sync(given: argparse.Namespace) -> None:
    """Send the results of an experiment to an MLflow server: what is there and did not change is left alone, so that an
    interrupted transfer goes on. A password stands best in MLFLOW_TRACKING_PASSWORD or in ${NAME}, quoted."""
    from scan2seg.config.base import expand
    from scan2seg.reporting.gather import gather_inputs
    from scan2seg.reporting.tracking import import_experiment

    try:
        uri = expand(given.uri)
    except ValueError as error:
        raise InputError(f"{hide_credentials(given.uri)}: {error}") from None
    if not uri.startswith(("http://", "https://")):
        raise InputError(f"{hide_credentials(uri)}: is no address of a server; it starts with https:// or http://")
    catalogue = load_catalogue(given.experiment)
    results = Path(catalogue.experiment.settings.results)
    inputs = gather_inputs(catalogue.report_content, results)
    folder = results / "reports" / inputs["experiment"]
    report = folder / "index.html"
    if not report.is_file():
        raise InputError(f"{report}: there is no such file; run the experiment first")
    found = import_experiment(inputs, report, folder / "figures", uri, results)
    print(f"{len(found['runs'])} runs of {found['experiment']} are at {found['uri']}")


def _relocate(given: argparse.Namespace) -> None:
    """Write where the results folder lies now into its MLflow database, after it was moved or copied."""
    from scan2seg.reporting.tracking.store import relocate

    check_results(given.results)
    print(relocate(given.results))
