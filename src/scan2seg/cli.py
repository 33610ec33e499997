"""The command line beside Snakemake: check, explain and look."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scan2seg import __version__, application_commands, run_commands
from scan2seg.errors import InputError
from scan2seg.logging import warning_once
from scan2seg.results_commands import add_commands, load_catalogue
from scan2seg.results_folder import check_results

if TYPE_CHECKING:
    from scan2seg.config.model import Model
    from scan2seg.config.reconstruction import ReconstructionSettings
    from scan2seg.config.scan_files import RawScan


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return 0, or 2 after a mistake that the user can mend."""
    parser = make_parser()
    given = parser.parse_args(arguments)
    try:
        with warning_once():
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


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="scan2seg",
        description="From raw X-ray projections to a benchmark of segmentation models. The pipeline itself runs by "
        "`snakemake -c2 --configfile config/experiments/NAME.yaml`; these commands run it, check and explain it, "
        "and put its models to work.",
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

    ranking = commands.add_parser(
        "ranking", help="print the ranking of a finished report", description=_ranking.__doc__
    )
    ranking.add_argument("folder", type=Path, help="results/reports/EXPERIMENT")
    ranking.set_defaults(run=_ranking)
    _add_model_commands(commands)
    run_commands.add_commands(commands)
    application_commands.add_commands(commands)
    add_commands(commands)
    _add_centres(commands)
    return parser


def _add_centres(commands: Any) -> None:
    centres = commands.add_parser(
        "centres", help="draw a slice of a scan at several rotation centres", description=_centres.__doc__
    )
    centres.add_argument("scan", type=Path, help="the projections, or a dataset file (YAML) whose scan and settings")
    centres.add_argument("--name", help="which of the scans of a dataset file, where it has several")
    for key in ("flats", "darks", "angles"):
        centres.add_argument(f"--{key}", type=Path, help=f"file of the {key}, where the scan has none")
    centres.add_argument("--row", type=int, help="detector row; the middle one when not given")
    centres.add_argument("--around", type=float, help="the middle of the range; found from the data when not given")
    centres.add_argument("--step", type=float, default=0.5, help="columns between two pictures (0.5)")
    centres.add_argument("--output", type=Path, default=Path("centres.png"), help="the PNG file (centres.png)")
    centres.set_defaults(run=_centres)


def _add_model_commands(commands: Any) -> None:
    describe = commands.add_parser(
        "describe", help="show parameters, FLOPs and receptive field of a model", description=_describe.__doc__
    )
    describe.add_argument("model", help="stem of a file in config/models, or a path")
    describe.add_argument("--channels", type=int, default=1, help="channels of the image (1)")
    describe.add_argument("--classes", type=int, default=2, help="classes (2)")
    describe.add_argument("--size", type=int, default=256, help="height and width (256); depth is the recipe's")
    describe.set_defaults(run=_describe)

    preview = commands.add_parser(
        "preview", help="draw augmented patches with their labels", description=_preview.__doc__
    )
    preview.add_argument("experiment", type=Path, help="an experiment file whose patches are extracted")
    preview.add_argument("model", help="the name of one of its models")
    preview.add_argument("--dataset", help="the name of one of its datasets; the first one when not given")
    preview.add_argument("--output", type=Path, default=Path("preview.png"), help="the PNG file (preview.png)")
    preview.set_defaults(run=_preview)

    fetch = commands.add_parser(
        "fetch-weights", help="download pre-trained weights, on a machine with internet", description=_fetch.__doc__
    )
    fetch.add_argument("encoder", help="name of an encoder, such as resnet50")
    fetch.add_argument("--weights", default="imagenet", help="name of the weights (imagenet)")
    fetch.add_argument("--source", help="another address to take them from")
    fetch.add_argument("--sha256", help="what the file must hash to")
    fetch.set_defaults(run=_fetch)


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


def _ranking(given: argparse.Namespace) -> None:
    """Print the ranking of a report, and where the report is."""
    check_results(given.folder.parent.parent)
    tables = given.folder / "tables.md"
    if not tables.is_file():
        raise InputError(f"{tables}: there is no such file; run the experiment first")
    for part in tables.read_text("utf-8").split("\n## "):
        heading, *rest = part.split("\n### ")
        print(heading.strip().removeprefix("# "))
        print(rest[0].strip() if rest else "")
    print(f"\nReport: {given.folder / 'index.html'}")


def _load_model(name: str) -> "Model":
    from scan2seg.config.components import load_component
    from scan2seg.config.model import Model

    return load_component(
        "models", Model, str(Path(name).resolve()) if "/" in name else name, Path("config/experiments")
    )[0]


def _describe(given: argparse.Namespace) -> None:
    """Build a model as training would, but with random weights, and show its size, cost and receptive field."""
    from scan2seg.architectures.description import describe_model
    from scan2seg.checkpoint import SegmentationModel
    from scan2seg.normalisation import Normalisation

    model = _load_model(given.model)
    channels = model.normalisation.channels
    normalisation = Normalisation(given.channels, output_channels=channels)
    # neither size nor cost depends on the weights, so that none need be there
    architecture = model.architecture.without("pretrained", "sha256")
    module = SegmentationModel(architecture, normalisation, given.channels, given.classes)
    from scan2seg.inspection import word_description

    print(f"{model.name}: {model.description}\n")
    print(word_description({"architecture": model.architecture.content()}))
    if model.pretraining:
        print(word_description({"pretraining": model.pretraining.model_dump()}))
    size = given.size if model.patching.depth is None else (model.patching.depth, given.size, given.size)
    print(word_description(describe_model(module.network, channels or given.channels, size)))


def _preview(given: argparse.Namespace) -> None:
    """Draw training patches and three augmented versions of each, with their labels, as a PNG."""
    from scan2seg.training.preview import preview_augmentation

    catalogue = load_catalogue(given.experiment)
    experiment = catalogue.experiment
    dataset = given.dataset or next(iter(experiment.datasets))
    for kind, name, names in (("dataset", dataset, experiment.datasets), ("model", given.model, experiment.models)):
        if name not in names:
            raise InputError(f"{given.experiment}: has no {kind} '{name}'; it has {', '.join(names)}")
    model = experiment.models[given.model]
    patches = Path(experiment.settings.results, catalogue.patches_of(dataset, model.patching).path)
    if not patches.exists():
        raise InputError(f"{patches}: there is no such store; make it with `snakemake -c2 {patches}`")
    preview_augmentation(patches, model.recipe(), given.output)
    print(given.output)


def _fetch(given: argparse.Namespace) -> None:
    """Download pre-trained weights into the cache that jobs read, and check their SHA-256."""
    from scan2seg.encoders.weights import fetch_weights

    print(fetch_weights(given.encoder, given.weights, source=given.source, sha256=given.sha256))


def _centres(given: argparse.Namespace) -> None:
    """Reconstruct one slice at nine rotation centres and draw them side by side, each with its centre."""
    from scan2seg.reconstruction.centre_gallery import draw_centres

    source, settings = _scan_of(given)
    draw_centres(source, settings, given.output, row=given.row, around=given.around, step=given.step)
    print(given.output)


def _scan_of(given: argparse.Namespace) -> "tuple[RawScan, ReconstructionSettings]":
    """Return what the reader takes and the settings: of a dataset file's scan, or of the files on the command line."""
    from scan2seg.config.components import load_component
    from scan2seg.config.dataset import Dataset
    from scan2seg.config.reconstruction import ReconstructionSettings
    from scan2seg.config.scan_files import RawScan

    beside = {key: str(value) for key in ("flats", "darks", "angles") if (value := getattr(given, key)) is not None}
    if given.scan.suffix not in (".yaml", ".yml"):
        return RawScan(projections=str(given.scan), **beside), ReconstructionSettings()
    dataset, _ = load_component("datasets", Dataset, str(given.scan.resolve()), given.scan.parent)
    scans = list(dataset.scans()) if dataset.source.kind == "scan" else []
    if given.name not in scans and (given.name or len(scans) != 1):
        raise InputError(f"{given.scan}: say which scan by --name: {', '.join(scans) or 'it has none'}")
    name = given.name or scans[0]
    return dataset.scan_source(name).model_copy(update=beside), dataset.reconstruction(name)


if __name__ == "__main__":
    sys.exit(main())
