"""A cluster with an accounting database: jobs are charged, and those that may not be are refused without a loss."""

from collections.abc import Iterator

import pytest
from accounting import ACCOUNT, FORBIDDEN, AccountedCluster, reason_to_skip
from workspace import Workspace, clone

pytestmark = pytest.mark.slurm
SITE = {"cpu_partition": "cpu", "gpu_partition": "gpu", "gpu_request": "gpu"}


@pytest.fixture(scope="module")
def accounted() -> Iterator[AccountedCluster]:
    reason = reason_to_skip()
    if reason is not None:
        pytest.skip(f"no cluster with accounting: {reason}")
    with AccountedCluster() as running:
        yield running


@pytest.fixture(scope="module")
def simulated(accounted: AccountedCluster, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Make a copy of the repository in which one scan was simulated by a job."""
    workspace = clone(tmp_path_factory.mktemp("simulated") / "clone")
    result = workspace.snakemake(workspace.path_of("scan", "simulation"))
    assert result.status == 0, result.output
    return workspace


def charged(cluster: AccountedCluster) -> list[str]:
    """Return account and state of every job that the database knows, in order."""
    return cluster.ask("sacct", "--parsable2", "--noheader", "--allocations", "--format=Account,State").split()


def test_a_job_is_charged_to_the_account(accounted: AccountedCluster, simulated: Workspace) -> None:
    assert charged(accounted) == [f"{ACCOUNT}|COMPLETED"]


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        (
            "unknown",
            {"config": {"cluster": {**SITE, "account": "nobody"}}},
            "account nobody appears to be invalid. Available accounts:",
        ),
        ("forbidden", {"set-resources": {"simulate_scan": {"qos": f"'{FORBIDDEN}'"}}}, "Invalid qos specification"),
    ],
)
def test_a_refused_account_or_qos_leaves_what_was_there_and_one_more_command_finishes(
    accounted: AccountedCluster, simulated: Workspace, name: str, changes: dict[str, object], words: str
) -> None:
    target = simulated.path_of("scan", "simulation")
    made = simulated.folder / target
    before = (made.read_bytes(), made.stat().st_mtime_ns)
    again = ("--forcerun", "simulate_scan", "--retries", "0")
    result = simulated.snakemake(target, *again, profile=simulated.adapt_profile(name, **changes))
    assert result.status != 0 and words in result.output, result.output
    assert (made.read_bytes(), made.stat().st_mtime_ns) == before
    result = simulated.snakemake(target, *again)
    assert result.status == 0, result.output
    assert charged(accounted)[-1] == f"{ACCOUNT}|COMPLETED"
    assert made.read_bytes() == before[0] and made.stat().st_mtime_ns > before[1]


def test_states_are_asked_of_the_database_too(simulated: Workspace, accounted: AccountedCluster) -> None:
    target = simulated.path_of("scan", "simulation")
    count = len(charged(accounted))
    result = simulated.snakemake(target, "--forcerun", "simulate_scan", "--slurm-status-command", "sacct")
    assert result.status == 0, result.output
    assert charged(accounted)[count:] == [f"{ACCOUNT}|COMPLETED"]
