"""Links by which people find a run: ``DATASET/MODEL/REPLICATE`` below the report."""

import os
from pathlib import Path

from scan2seg.replacement import replacing
from scan2seg.reporting.content import RunInput


def link_runs(runs: list[RunInput], output: Path) -> None:
    """Write a folder of relative links, so that it can be moved with the results.

    A replicate is a folder of links to the files of its training and of its application.

    Args:
        runs: names and folders of each run.
        output: the folder to write; it is replaced.
    """
    with replacing(output) as partial:
        partial.mkdir(parents=True)
        for run in runs:
            names = Path(run["dataset"], run["model"], run["replicate"])
            (partial / names).mkdir(parents=True)
            for file in _files(run):
                (partial / names / file.name).symlink_to(os.path.relpath(file, output / names))


def _files(run: RunInput) -> list[Path]:
    """Return the files of a training, and of its application with the settings of the experiment and no others."""
    found = list(run["applied"].iterdir())
    if run["run"] != run["applied"]:
        # an earlier application with the default settings lies beside the checkpoint
        made = {file.name for file in found}
        found += [file for file in run["run"].iterdir() if file.name not in made and not file.name.startswith("parts-")]
    return sorted(file for file in found if not file.name.startswith((".", "inference-")))
