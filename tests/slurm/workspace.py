"""A copy of the repository in which snakemake runs."""

import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from scan2seg.catalogue import Catalogue
from scan2seg.config.experiment import load_experiment

REPOSITORY = Path(__file__).parents[2]
PARTS = ("Snakefile", "workflow", "config", "envs", "slurm")

EXPERIMENT = """
experiment: tiny
datasets: [tiny]
models:
  - base: unet
    name: small
    architecture: {width: 4, depth: 2}
    patching: {size: 32, stride: 16}
    training: {epochs: 1, batch_size: 4}
    resources: {gpus: 1, mem_mb: 3000, runtime: 10, threads: 1}
  - base: otsu
    patching: {size: 32, stride: 16}
    resources: {gpus: 0, mem_mb: 3000, runtime: 10, threads: 1}
"""

DATASET = """
source:
  kind: simulation
  scans:
    scan: {size: 48, rows: 10, projections: 40, seed: 1}
  denoising: [unsharp_mask]
classes: [background, matrix, precipitate, inclusion]
split: {strategy: random, fractions: {train: 0.6, validation: 0.2, test: 0.2}}
"""
IMPATIENT = ("--slurm-init-seconds-before-status-checks", "3", "--latency-wait", "5", "--scheduler", "greedy")
# the questions about a job do not become rarer the longer it takes, up to one in 40 s
PROGRAM = "from scan2seg.slurm import plugin; plugin.LONGEST = 3; from snakemake.cli import main; main()"
# it ends with the test runner, also where that is interrupted or killed
SNAKEMAKE = ("setpriv", "--pdeathsig", "KILL", sys.executable, "-P", "-c", PROGRAM)
# of a run that hangs: one on a busy machine takes its time
LIMIT = 1500


@dataclass
class Result:
    """How a run ended."""

    status: int
    output: str


@dataclass
class Workspace:
    """A folder that looks like a fresh clone, and the environment to run it in."""

    folder: Path
    programs: Path

    def snakemake(self, *arguments: str, profile: str = "slurm") -> Result:
        """Run ``snakemake --profile slurm`` with more arguments to its end."""
        process = self.start(*arguments, profile=profile)
        try:
            output, _ = process.communicate(timeout=LIMIT)
        except subprocess.TimeoutExpired:
            process.kill()
            output, _ = process.communicate()
            output += "\n(killed by the test: too slow)"
        return Result(process.returncode, output)

    def prepare(self, target: str) -> None:
        """Make a file without the cluster, which takes less time."""
        subprocess.run(
            ["snakemake", "--cores", "2", "--quiet", "all", "--", target],
            cwd=self.folder,
            env=self._environment(),
            check=True,
            timeout=LIMIT,
        )

    def start(self, *arguments: str, profile: str = "slurm") -> subprocess.Popen[str]:
        """Start ``snakemake --profile slurm`` with more arguments."""
        return subprocess.Popen(
            [*SNAKEMAKE, "--profile", profile, *IMPATIENT, *arguments],
            cwd=self.folder,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            # a test runner in the background ignores the interrupt, and its children would inherit that
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )

    def _environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "PATH": f"{self.programs}:{os.environ['PATH']}",
            "PYTHONPATH": str((self.folder / "src").resolve()),
            # threads beyond the cores only wait for each other
            "OMP_NUM_THREADS": "1",
            "NUMBA_NUM_THREADS": "2",
        }

    def adapt_profile(self, name: str, **changes: Any) -> str:
        """Copy the profile and edit its keys, as a person does who adapts it to a site; return its path."""
        profiles = self.folder / "workflow" / "profiles"
        profile = yaml.safe_load((profiles / "slurm" / "config.yaml").read_text())
        (profiles / name).mkdir()
        (profiles / name / "config.yaml").write_text(yaml.safe_dump({**profile, **changes}, sort_keys=False))
        return f"workflow/profiles/{name}"

    def add_model(self, name: str, training: dict[str, int | str] | None = None, **resources: int) -> str:
        """Add a model to the experiment, small and trained on the patches of the others; return its checkpoint."""
        path = self.folder / "config" / "config.yaml"
        experiment = yaml.safe_load(path.read_text())
        small = experiment["models"][0]
        # a recipe of its own: equal ones would be one model
        rate = {"learning_rate": 1e-4 * (2 + len(experiment["models"]))}
        model = {**small, "name": name, "optimizer": rate, "resources": {**small["resources"], **resources}}
        model["training"] = {**small["training"], **(training or {})}
        path.write_text(yaml.safe_dump({**experiment, "models": [*experiment["models"], model]}))
        return self.path_of(name, "training") + "/seed0/checkpoint.pt"

    def path_of(self, name: str, kind: str) -> str:
        """Return where something of the experiment lies: a model by its name in the experiment, or another thing."""
        catalogue = Catalogue(load_experiment(self.folder / "config" / "config.yaml"))
        if kind == "training":
            return f"results/{catalogue.training('tiny', name).path}"
        (found,) = [item.path for item in catalogue.things() if type(item).__name__.lower() == kind]
        return f"results/{found}"


def clone(folder: Path) -> Workspace:
    """Copy the repository, with a tiny experiment in place of the demo."""
    folder.mkdir()
    for name in PARTS:
        source = REPOSITORY / name
        if source.is_symlink():
            (folder / name).symlink_to(os.readlink(source))
        elif source.is_dir():
            shutil.copytree(source, folder / name)
        else:
            shutil.copy2(source, folder / name)
    # not copied: compiled kernels are kept beside their source, and a copy would compile its own
    (folder / "src").symlink_to(REPOSITORY / "src")
    (folder / "config" / "config.yaml").write_text(EXPERIMENT)
    (folder / "config" / "datasets" / "tiny.yaml").write_text(DATASET)
    return Workspace(folder, Path(sys.executable).parent)
