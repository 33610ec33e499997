"""The commands that look at and tidy a results folder."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scan2seg.errors import InputError

if TYPE_CHECKING:
    from scan2seg.catalogue import Catalogue


def add_commands(commands: Any) -> None:
    """Add ``where`` and ``clean`` to the parser's commands."""
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
    clean.add_argument("--results", type=Path, default=Path("results"), help="folder of the results (results)")
    clean.add_argument("--yes", action="store_true", help="delete what is listed")
    clean.set_defaults(run=_clean)


def load_catalogue(path: Path) -> "Catalogue":
    """Return everything that an experiment file makes."""
    from scan2seg.catalogue import Catalogue
    from scan2seg.config.experiment import load_experiment

    return Catalogue(load_experiment(path))


def _where(given: argparse.Namespace) -> None:
    """Print name, key and path of everything that an experiment makes, and what is not made yet; or, with --from, what
    a file was made from, back to the raw files, with the settings of every step between."""
    from scan2seg.housekeeping import list_things, trace

    if given.source is not None:
        for depth, item in trace(given.source):
            settings = json.dumps(item["settings"]) if item.get("settings") else ""
            print(f"{'  ' * depth}{item['path']}{'  (raw)' if item['raw'] else ''}")
            print(*([f"{'  ' * depth}    {settings}"] if settings else []), sep="\n", end="\n" if settings else "")
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


def _clean(given: argparse.Namespace) -> None:
    """List what no report of the results folder and none of the given experiments refers to, with sizes and ages;
    delete it with --yes."""
    from scan2seg.housekeeping import find_unused, remove

    catalogues = [load_catalogue(path) for path in given.experiments]
    unused = find_unused(catalogues, given.results)
    for item in unused:
        print(f"{item.size / 1e6:>12.1f} MB  {item.age / 86400:>7.1f} days  {item.path}")
    total = sum(item.size for item in unused) / 1e6
    if given.yes:
        remove(unused)
    print(f"{len(unused)} unused, {total:.1f} MB{' deleted' if given.yes else '; delete with --yes' if unused else ''}")
