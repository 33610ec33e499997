"""What the workflow costs beside its jobs: `snakemake -n` of many trainings, and the start of one job of them.

Run with ``python benchmarks/workflow.py [TRAININGS ...]``: of three datasets, five seeds and as many models as that
takes. A job's start is all that Snakemake does on a node before the stage's own script begins. The reference is
``import snakemake.cli`` in the same round: what no workflow can do without. The calls of Python functions, counted by
cProfile, are the same on a busy machine. ``--against CHECKOUT`` measures another version too, in turn with this one.
"""

import argparse
import os
import pstats
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).parents[1]
DATASETS, SEEDS = 3, 5
FIRST_RUN = """
import sys
from scan2seg.catalogue import Catalogue
from scan2seg.config.experiment import load_experiment
print(Catalogue(load_experiment(sys.argv[1])).runs[0].folder)
"""
DATASET = """
source:
  kind: images
  images: ../../images/*.png
  labels: ../../labels/*.png
  label_values: {dark: 0, bright: 255}
classes: [dark, bright]
"""


def write_experiment(folder: Path, trainings: int) -> Path:
    """Write an experiment of so many trainings below the folder, with the images; return its file."""
    generator = np.random.default_rng(0)
    for kind in ("images", "labels"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    for number in range(12):
        label = (generator.random((64, 64)) > 0.5).astype(np.uint8) * 255
        Image.fromarray(label).save(folder / "labels" / f"{number}.png")
        Image.fromarray(label // 2 + generator.integers(0, 60, label.shape, np.uint8)).save(
            folder / "images" / f"{number}.png"
        )
    config = folder / "config"
    for kind in ("datasets", "models", "experiments"):
        (config / kind).mkdir(parents=True, exist_ok=True)
    for number in range(DATASETS):
        # unlike pixel sizes, so that they are three stacks
        (config / "datasets" / f"set{number}.yaml").write_text(f"{DATASET}pixel_size: {number + 1}.0\n")
    models = max(1, trainings // (DATASETS * SEEDS))
    datasets = DATASETS if trainings >= DATASETS * SEEDS else 1
    for number in range(models):
        (config / "models" / f"model{number}.yaml").write_text(
            "architecture: {method: unet, encoder: resnet18, pretrained: none}\npatching: {size: 64}\n"
            f"optimizer: {{learning_rate: {0.001 + number / 1e5:.5f}}}\nresources: {{gpus: 0, threads: 1}}\n"
        )
    seeds = list(range(trainings // (models * datasets)))
    file = config / "experiments" / f"of{trainings}.yaml"
    file.write_text(
        f"datasets: [{', '.join(f'set{number}' for number in range(datasets))}]\n"
        f"models: [{', '.join(f'model{number}' for number in range(models))}]\n"
        f"replicates: {{seeds: {seeds}}}\n"
    )
    return file


@dataclass(frozen=True)
class Version:
    """A checkout, and a folder in which it is measured."""

    root: Path
    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": str(self.root / "src"), "OMP_NUM_THREADS": "1"}

    def commands(self, file: Path) -> dict[str, list[str]]:
        """Return what is measured of an experiment: the dry run, and one job as its executor starts it."""
        first = subprocess.run(
            [sys.executable, "-c", FIRST_RUN, str(file)],
            cwd=self.folder, env=self.environment, capture_output=True, text=True, check=True,
        )  # fmt: skip
        run = first.stdout.strip().removeprefix("runs/").split("/")
        snakemake = ["-m", "snakemake", "--snakefile", str(self.root / "Snakefile"), "--configfile", str(file)]
        target = f"train_model:run={run[0]},replicate={run[1]}"
        job = ["--cores", "1", "--mode", "subprocess", "--target-jobs", target, "--allowed-rules", "train_model", "-n"]
        return {
            "`snakemake -n`": [*snakemake, "--cores", "2", "-n", "--quiet", "all"],
            "a job's start": [*snakemake, *job],
        }

    def spend(self, *command: str) -> tuple[float, float, float]:
        """Run a command to its end; return seconds, processor seconds, and the megabytes that it held at most."""
        start = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=self.folder, env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        if status:
            raise SystemExit(f"{command}: ended with {status}")
        return wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1e3

    def count_calls(self, *command: str) -> float:
        """Return how many functions a command calls, in millions."""
        profile = self.folder / "profile"
        self.spend("-m", "cProfile", "-o", str(profile), *command)
        return float(pstats.Stats(str(profile)).total_calls) / 1e6  # type: ignore[attr-defined]


def measure(versions: list[Version], trainings: int, rounds: int) -> None:
    """Print a line of a table for each command and version."""
    commands = []
    for version in versions:
        file = write_experiment(version.folder, trainings).relative_to(version.folder)
        commands.append(version.commands(file))
    for name in commands[0]:
        pairs = [(version, found[name]) for version, found in zip(versions, commands, strict=True)]
        for version, command in pairs:
            version.spend(*command)  # the first round compiles and lists source files
        turns = [
            [versions[0].spend("-c", "import snakemake.cli"), *(version.spend(*command) for version, command in pairs)]
            for _ in range(rounds)
        ]
        for place, (version, command) in enumerate(pairs, start=1):
            wall, processor, memory = (statistics.median(turn[place][part] for turn in turns) for part in range(3))
            reference, before = (
                statistics.median(turn[place][1] / turn[other][1] for turn in turns) for other in (0, len(pairs))
            )
            cells = [str(trainings), name, version.root.name, f"{wall:.1f}", f"{processor:.1f}", f"{reference:.1f}"]
            calls = version.count_calls(*command)
            print(f"| {' | '.join([*cells, f'{before:.2f}', f'{memory:.0f}', f'{calls:.1f}'])} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("trainings", type=int, nargs="*", default=[10, 100, 600])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--against", type=Path, metavar="CHECKOUT")
    given = parser.parse_args()
    print("| trainings | | of | s | processor s | x reference | x the last line's version | MB | million calls |")
    print("|---|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as scratch:
        roots = [ROOT, *([given.against.resolve()] if given.against else [])]
        versions = [Version(root, Path(scratch) / str(number)) for number, root in enumerate(roots)]
        for trainings in given.trainings:
            measure(versions, trainings, given.rounds)


if __name__ == "__main__":
    main()
