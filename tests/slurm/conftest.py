"""One cluster for all tests of a file, since there is only one at a time, and a copy of the repository for each."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster import Cluster, bring_up, reason_to_skip
from workspace import Workspace, clone, clone_with


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """Bring a Slurm up."""
    yield from bring_up(Cluster, reason_to_skip())


@pytest.fixture
def workspace(cluster: Cluster, tmp_path: Path) -> Iterator[Workspace]:
    """Make a copy of the repository in which nothing has run."""
    yield clone(tmp_path / "clone")
    for job in cluster.queue():
        cluster.ask("scancel", job)


@pytest.fixture(scope="module")
def finished(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Make a copy of the repository in which the whole experiment has run."""
    return clone_with(tmp_path_factory.mktemp("finished"))
