"""What the workflow costs beside its jobs: `snakemake -n` of many trainings, and the start of one job of them.

Run with ``python benchmarks/workflow.py [TRAININGS ...]``: of three datasets, five seeds and as many models as that
takes. A job's start is all that Snakemake does on a node before the stage's own script begins. The reference is
``import snakemake.cli`` in the same round: what no workflow can do without. The calls of Python functions, counted by
cProfile, are the same on a busy machine.
"""

import argparse
import os
import pstats
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from scan2seg.catalogue import Catalogue
from scan2seg.config.experiment import load_experiment

ROOT = Path(__file__).parents[1]
DATASETS, SEEDS = 3, 5
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
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


def make_commands(folder: Path, file: Path) -> dict[str, list[str]]:
    """Return what is measured of an experiment: the dry run, and one job as its executor starts it."""
    catalogue = Catalogue(load_experiment(file))
    run = catalogue.runs[0].folder.removeprefix("runs/").split("/")
    snakemake = ["-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--configfile", str(file)]
    target = f"train_model:run={run[0]},replicate={run[1]}"
    job = ["--cores", "1", "--mode", "subprocess", "--target-jobs", target, "--allowed-rules", "train_model", "-n"]
    return {
        "`snakemake -n`": [*snakemake, "--cores", "2", "-n", "--quiet", "all"],
        "a job's start": [*snakemake, *job],
    }


def spend(folder: Path, *command: str) -> tuple[float, float, float]:
    """Run a command to its end; return seconds, processor seconds, and the megabytes that it held at most."""
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *command], cwd=folder, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    if status:
        raise SystemExit(f"{command}: ended with {status}")
    return wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1e3


def count_calls(folder: Path, *command: str) -> float:
    """Return how many functions a command calls, in millions."""
    profile = folder / "profile"
    spend(folder, "-m", "cProfile", "-o", str(profile), *command)
    return float(pstats.Stats(str(profile)).total_calls) / 1e6  # type: ignore[attr-defined]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("trainings", type=int, nargs="*", default=[10, 100, 600])
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    print("| trainings | | s | processor s | x reference | MB | million calls |\n|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)
        folder = Path(scratch)
        for trainings in given.trainings:
            file = write_experiment(folder, trainings).relative_to(folder)
            for name, command in make_commands(folder, file).items():
                spend(folder, *command)  # the first round compiles and lists source files
                rounds = [
                    (spend(folder, "-c", "import snakemake.cli"), spend(folder, *command)) for _ in range(given.rounds)
                ]
                wall, processor, memory = (statistics.median(found[place] for _, found in rounds) for place in range(3))
                ratio = statistics.median(found[1] / reference[1] for reference, found in rounds)
                calls = count_calls(folder, *command)
                cells = [str(trainings), name, f"{wall:.1f}", f"{processor:.1f}", f"{ratio:.1f}"]
                print(f"| {' | '.join([*cells, f'{memory:.0f}', f'{calls:.1f}'])} |", flush=True)


if __name__ == "__main__":
    main()
