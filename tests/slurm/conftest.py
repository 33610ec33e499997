"""One cluster for all tests of a file, since there is only one at a time, and a copy of the repository for each."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster import Cluster, reason_to_skip
from workspace import Workspace, clone


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """Bring a Slurm up, or skip with the reason; stop it whatever happens."""
    reason = reason_to_skip()
    if reason is not None:
        pytest.skip(f"no cluster: {reason}")
    with Cluster() as running:
        yield running


@pytest.fixture
def workspace(cluster: Cluster, tmp_path: Path) -> Iterator[Workspace]:
    """Make a copy of the repository in which nothing has run."""
    yield clone(tmp_path / "clone")
    for job in cluster.queue():
        cluster.ask("scancel", job)


@pytest.fixture(scope="module")
def finished(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Make a copy of the repository in which the whole experiment has run."""
    workspace = clone(tmp_path_factory.mktemp("finished") / "clone")
    result = workspace.snakemake()
    assert result.status == 0, result.output
    return workspace
