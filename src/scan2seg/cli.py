"""The command line beside Snakemake: check, explain and look."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from scan2seg import __version__
from scan2seg.errors import InputError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return 0, or 2 after a mistake that the user can mend."""
    parser = _make_parser()
    given = parser.parse_args(arguments)
    try:
        given.run(given)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    except KeyboardInterrupt:
        return 130
    return 0


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scan2seg",
        description="From raw X-ray projections to a benchmark of segmentation models. The pipeline itself runs by "
        "`snakemake -c2 --configfile config/experiments/NAME.yaml`; these commands check and explain.",
    )
    parser.add_argument("--version", action="version", version=f"scan2seg {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    validate = commands.add_parser(
        "validate", help="check a configuration file and the data it names", description=_validate.__doc__
    )
    validate.add_argument("file", type=Path, help="a YAML file")
    validate.set_defaults(run=_validate)

    schema = commands.add_parser("schema", help="print the JSON schema of the files", description=_schema.__doc__)
    schema.add_argument("--write", type=Path, metavar="FOLDER", help="write schema.json and README.md there instead")
    schema.set_defaults(run=_schema)

    inspect = commands.add_parser(
        "inspect", help="show what is in a scan, volume, stack, prediction or checkpoint", description=_inspect.__doc__
    )
    inspect.add_argument("path", type=Path, help="a file or Zarr store")
    inspect.add_argument("--json", action="store_true", help="print JSON")
    inspect.set_defaults(run=_inspect)
    return parser


def _validate(given: argparse.Namespace) -> None:
    """Check a configuration file and the data it names: every problem at once, exit status 2 if there is one."""
    from scan2seg.config.check import check_file

    print(check_file(given.file))


def _schema(given: argparse.Namespace) -> None:
    """Print the JSON schema of experiment, dataset and model files, for editors."""
    from scan2seg.config.schema import make_reference, make_schema

    text = json.dumps(make_schema(), indent=1) + "\n"
    if given.write is None:
        print(text, end="")
        return
    (given.write / "schema.json").write_text(text, "utf-8")
    (given.write / "README.md").write_text(make_reference(), "utf-8")


def _inspect(given: argparse.Namespace) -> None:
    """Show what a file or store holds, and what is missing in it."""
    from scan2seg.inspection import inspect_path, word_description

    found = inspect_path(given.path)
    print(json.dumps(found, indent=2, default=str) if given.json else word_description(found))


if __name__ == "__main__":
    sys.exit(main())
