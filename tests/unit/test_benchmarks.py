"""Every benchmark runs to its end, in the smallest form that it has."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from scan2seg.config.simulation import SimulationSettings
from scan2seg.simulation.scan import simulate_scan
from scan2seg.storage import create_volume, creating, open_array

ROOT = Path(__file__).parents[2]
SMALLEST = {
    "denoising": ["--size", "64", "--rounds", "1", "--threads", "1"],
    "depthwise": ["--size", "64", "--rounds", "1"],
    "huge_pages": ["--batches", "1", "--rounds", "1", "--threads", "1"],
    "inference": ["--case", "0", "--size", "64", "--rounds", "1", "--threads", "1"],
    "label_maps": ["--size", "32", "--steps", "2"],
    "monai_functions": ["--divide", "4", "--rounds", "1"],
    "reconstruction": ["--sizes", "64", "--slices", "1", "--repeats", "1", "--threads", "1"],
    "reconstruction_error": ["{folder}/labels.zarr", "{folder}/volume.zarr"],
    "report": ["20"],
    "tracking": ["1", "--reference", "1"],
    "training": ["--patches", "8", "--size", "64", "--batch", "4", "--threads", "1"],
    "volume": ["--size", "64", "--slices", "2", "--rounds", "1", "--threads", "1"],
    "workers": ["--size", "64", "--slices", "2", "--rounds", "1"],
    "workflow": ["1", "--rounds", "1"],
}
"""Of each benchmark, the arguments."""


def test_every_benchmark_has_its_smallest_form() -> None:
    assert set(SMALLEST) == {path.stem for path in (ROOT / "benchmarks").glob("*.py")}


@pytest.mark.thorough
@pytest.mark.parametrize("name", SMALLEST)
def test_a_benchmark_runs_to_its_end(tmp_path: Path, name: str) -> None:
    if name == "reconstruction_error":
        write_volume(tmp_path)
    arguments = [argument.format(folder=tmp_path) for argument in SMALLEST[name]]
    paths = os.pathsep.join(str(ROOT / folder) for folder in ("src", "tests/support"))
    environment = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(ROOT / "benchmarks" / f"{name}.py"), *arguments]
    ended = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert any(letter.isdigit() for letter in ended.stdout), "no figure is printed"


def write_volume(folder: Path) -> None:
    """Write the labels of a simulated scan, and a volume of nothing."""
    simulate_scan(folder / "scan.h5", folder / "labels.zarr", SimulationSettings(size=96, rows=8, projections=4))
    with creating(folder / "volume.zarr") as group:
        create_volume(group, open_array(folder / "labels.zarr", "label").shape)
