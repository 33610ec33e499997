"""One cluster for all tests of this folder, and a copy of the repository for each."""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster import Cluster, reason_to_skip
from workspace import Workspace

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


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """Bring a Slurm up, or skip with the reason; stop it whatever happens."""
    reason = reason_to_skip()
    if reason is not None:
        pytest.skip(f"no cluster: {reason}")
    with Cluster() as running:
        yield running


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


@pytest.fixture
def workspace(cluster: Cluster, tmp_path: Path) -> Iterator[Workspace]:
    """Make a copy of the repository in which nothing has run."""
    yield clone(tmp_path / "clone")
    for job in cluster.queue():
        cluster.ask("scancel", job)


@pytest.fixture(scope="session")
def finished(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Make a copy of the repository in which the whole experiment has run."""
    workspace = clone(tmp_path_factory.mktemp("finished") / "clone")
    result = workspace.snakemake()
    assert result.status == 0, result.output
    return workspace
