"""A copy of the pipeline with a small experiment, run once; tests edit it, ask what would run, and put it back."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from helpers import MODEL, make_images

ROOT = Path(__file__).parents[2]
CACHES = ("XDG_CACHE_HOME", "MPLCONFIGDIR", "SCAN2SEG_WEIGHTS")
"""With these, and NUMBA_CACHE_DIR where sources cannot be written beside, a node needs no home folder."""
# every stage, each after those that it needs
STAGES = (
    "simulate_scan", "reconstruct_scan", "denoise_scan", "export_volume", "assemble_stack", "split_stack",
    "extract_patches", "pretrain_encoder", "train_model", "tune_model", "compare_trials", "plan_inference",
    "predict_stack", "ensemble_predictions", "score_prediction", "time_inference", "score_parts", "map_saliency", "compare_models",
    "link_runs", "segment_scan", "segment_files", "render_report", "log_to_mlflow",
)  # fmt: skip
FILES = {
    "datasets/cells.yaml": """
        source:
          kind: images
          images: "../../cells/images/*.png"
          labels: "../../cells/labels/*.png"
          label_values: {dark: 0, grey: 100, bright: 200}
        classes: [dark, grey, bright]
        """,
    "datasets/pillar.yaml": """
        source:
          kind: simulation
          scans: {tiny: {size: 48, rows: 12, projections: 60, centre_offset: 1.0, flats: 3, darks: 3}}
          denoising: [{method: gaussian, radius: 0.7}]
        classes: [background, matrix, precipitate, inclusion]
        split: {strategy: blocked, gap: 1}
        """,
    "datasets/fresh.yaml": """
        source:
          kind: simulation
          scans: {fresh: {size: 48, rows: 6, projections: 60, centre_offset: 1.0, flats: 3, darks: 3, seed: 7}}
          denoising: [{method: gaussian, radius: 0.7}]
        classes: [background, matrix, precipitate, inclusion]
        """,
    "datasets/unseen.yaml": """
        source: {kind: images, images: "../../cells/images/*.png"}
        """,
    "models/small.yaml": MODEL.format(architecture="{method: unet, encoder: null, width: 4, depth: 2}"),
    "models/levels.yaml": MODEL.format(architecture="otsu") + "deterministic_fit: true\n",
    "models/other.yaml": MODEL.format(architecture="kmeans"),
    "experiments/tiny.yaml": """
        datasets: [cells, pillar]
        models: [small, levels]
        ensembles: {both: [small, levels]}
        saliency: true
        segment: {datasets: [fresh], trained_on: pillar, model: levels, tiff: true}
        """,
    # every stage, with as few jobs as they need
    "models/started.yaml": MODEL.format(architecture="{method: unet, encoder: resnet18, pretrained: none}")
    + "pretraining: {epochs: 1, batch_size: 8, mask_size: 8}\n",
    # whatever times decide, thresholds of single pixels give the same, in an ensemble and alone
    "models/planned.yaml": MODEL.format(architecture="otsu")
    + "inference: {plan: {keys: [batch_size], images: 1}, probabilities: true}\n",
    "experiments/whole.yaml": """
        datasets: [{base: pillar, source: {formats: [tiff]}}]
        models: [started, planned]
        ensembles: {both: [started, planned]}
        saliency: true
        score_parts: 2
        studies: {splits: {model: levels, sampler: grid, space: {patching.stride: {values: [16, 32]}}}}
        segment: {datasets: [fresh, unseen], trained_on: pillar, model: planned, tiff: true}
        """,
    # what of it needs no training of a network
    "experiments/part.yaml": """
        datasets: [{base: pillar, source: {formats: [tiff]}}]
        models: [planned]
        score_parts: 2
        segment: {datasets: [fresh], trained_on: pillar, model: planned, tiff: true}
        """,
}


class Pipeline:
    """A folder in which Snakemake runs one of the experiments above."""

    def __init__(self, folder: Path, experiment: str = "tiny", finished: Path | None = None) -> None:
        """Write the folder, or copy that of a finished run, with its results."""
        self.folder, self.experiment = folder, experiment
        folder.mkdir(exist_ok=True)
        if finished is None:
            self._write()
        else:
            shutil.copytree(finished, folder, symlinks=True, dirs_exist_ok=True)
        self.env = {**os.environ, "PYTHONPATH": str(folder / "src"), "PYTHONDONTWRITEBYTECODE": ""}

    def _write(self) -> None:
        for name in ("Snakefile", "src", "workflow", "envs"):
            source, target = ROOT / name, self.folder / name
            # kernels that were compiled beside their sources serve the copies too, which have their times and sizes
            ignore = shutil.ignore_patterns("*.pyc*", "*.tmp.*", "*.egg-info")
            shutil.copytree(source, target, ignore=ignore) if source.is_dir() else shutil.copy(source, target)
        make_images(self.folder / "cells", count=10, size=36)
        for name, text in FILES.items():
            path = self.folder / "config" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            lines = text.strip("\n").splitlines()
            indent = len(lines[0]) - len(lines[0].lstrip())
            path.write_text("\n".join(line[indent:] for line in lines) + "\n")

    def command(self, *words: str) -> list[str]:
        binary = Path(sys.executable).with_name("snakemake")
        # the other scheduler starts a solver for every few jobs, which takes as long as they do
        options = ("--scheduler", "greedy", "--configfile", f"config/experiments/{self.experiment}.yaml")
        return [str(binary), "-c2", *options, *words]

    def run(self, *words: str, timeout: float = 1500) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*words),
            cwd=self.folder,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def find(self, pattern: str) -> Path:
        """Return the only result that a pattern below the results folder matches."""
        found = list((self.folder / "results").glob(pattern))
        assert len(found) == 1, f"{pattern}: {found}"
        return found[0]

    def jobs(self, *words: str) -> dict[str, list[str]]:
        """Return rule to the wildcards of the jobs that would run, without the keys, in alphabetical order."""
        result = self.run("-n", *words)
        assert result.returncode == 0, result.stdout + result.stderr
        found: dict[str, list[str]] = {}
        for block in re.split(r"\n(?= *(?:local)?rule )", result.stdout + result.stderr):
            rule = re.match(r" *(?:local)?rule (\w+):", block)
            if rule and rule[1] != "all":
                assert "reason:" in block
                wildcards = re.search(r"wildcards: (.*)", block)
                names = re.findall(r"=([^,\n]+)", wildcards[1]) if wildcards else []
                plain = [re.sub(r"-?[0-9a-f]{8}$", "", part) for name in names for part in name.split("/")]
                found.setdefault(rule[1], []).append("/".join(part for part in plain if part not in ("", "inference")))
        return {rule: sorted(names) for rule, names in found.items()}

    @contextmanager
    def edit(self, name: str, old: str, new: str) -> Iterator[None]:
        """Change a file, and put it back."""
        path = self.folder / name
        text = path.read_text()
        assert old in text, f"{old!r} is not in {name}"
        path.write_text(text.replace(old, new, 1))
        try:
            yield
        finally:
            path.write_text(text)
