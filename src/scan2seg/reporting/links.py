"""Links by which people find a run: ``DATASET/MODEL/REPLICATE`` below the report."""

import os
from pathlib import Path

from scan2seg import storage
from scan2seg.reporting.content import RunInput


def link_runs(runs: list[RunInput], output: Path) -> None:
    """Write a folder of relative links, so that it can be moved with the results.

    A replicate is a folder of links to the files of its training and of its application.

    Args:
        runs: names and folders of each run.
        output: the folder to write; it is replaced.
    """
    with storage.replacing(output) as partial:
        partial.mkdir(parents=True)
        for run in runs:
            names = Path(run["dataset"], run["model"], run["replicate"])
            (partial / names).mkdir(parents=True)
            for folder in dict.fromkeys([run["run"], run["applied"]]):
                for file in sorted(folder.iterdir()):
                    if file.name.startswith((".", "inference-")):
                        continue
                    target = os.path.relpath(file, output / names)
                    (partial / names / file.name).symlink_to(target)
