"""What a worker's job is submitted with, by an sbatch that writes down what it was given."""

import json
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dask
import pytest

from scan2seg.hiring import hire
from scan2seg.workers import SlurmRequest, Workers

SBATCH = """#!{python}
import json, os, sys
from pathlib import Path
script = Path(sys.argv[-1]).read_text()
given = [sys.argv[1:-1], script, {{name: os.environ[name] for name in os.environ if "_" in name}}]
Path({told!r} + "~").write_text(json.dumps(given))
os.replace({told!r} + "~", {told!r})
print("Submitted batch job 17")
"""


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose name has a space, for the store and the logs."""
    return tmp_path_factory.mktemp("my results")


def hire_one(folder: Path, sbatch: str, is_over: Callable[[], bool]) -> None:
    """Ask an sbatch for a worker, and wait until something is over."""
    for name, text in {"sbatch": sbatch, "scancel": "#!/bin/sh\n"}.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    options = ("--gpus=1", "--comment=a b", "-C", "a100")
    request = SlurmRequest("a-worker", folder / "logs", 8000, 240, "cpu", None, options)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(folder), prepend=":")
        for name in ("SLURM_MEM_PER_NODE", "SLURM_CONF", "SBATCH_RESERVATION", "DASK_DISTRIBUTED__WORKER__PRELOAD"):
            patch.setenv(name, "1")
        with dask.config.set({"distributed.comm.retry.count": 7}), hire(Workers(2, 1, request), folder):
            deadline = time.monotonic() + 60
            while not is_over():
                assert time.monotonic() < deadline
                time.sleep(0.1)


@pytest.fixture(scope="module")
def submitted(workspace: Path) -> Any:
    """What sbatch was given for a worker: options, script, environment."""
    told = workspace / "told.json"
    hire_one(workspace, SBATCH.format(python=sys.executable, told=str(told)), told.exists)
    return json.loads(told.read_text())


def test_a_worker_is_submitted_as_the_job_is(submitted: Any, workspace: Path) -> None:
    options, script, environment = submitted
    wanted = ["-J a-worker", "-p cpu", "--cpus-per-task=1", "--mem=8000M", "-t 240", "--gpus=1", "-C a100"]
    assert all(words in " ".join(options) for words in wanted), options
    assert "--comment=a b" in options
    assert options[options.index("-o") + 1] == f"{workspace}/logs/a-worker-%J.out"
    # a line in the script would yield to the user's SBATCH_*, which count for the job itself where it says nothing
    assert "#SBATCH" not in script and environment["SBATCH_RESERVATION"] == "1"
    assert "SLURM_CONF" in environment and "SLURM_MEM_PER_NODE" not in environment
    assert not [name for name in environment if name.startswith("DASK_")]


def test_a_worker_finds_its_certificates_and_the_settings_of_its_job(submitted: Any, workspace: Path) -> None:
    _, script, _ = submitted
    words = shlex.split(script.splitlines()[-1])
    (certificates,) = {Path(words[words.index(f"--tls-{name}") + 1]).parent for name in ("ca-file", "cert", "key")}
    assert certificates.parent == workspace and not certificates.exists()
    (export,) = [line for line in script.splitlines() if line.startswith("export ")]
    ask = (
        "from dask.config import get; print(get('distributed.comm.retry.count'), get('distributed.worker.http.routes'))"
    )
    line = f"{export}; {shlex.quote(sys.executable)} -c {shlex.quote(ask)}"
    # not what the user has set for other work
    assert subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=True).stdout == "0 []\n"


def test_a_worker_that_slurm_refuses_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    refusal = "sbatch: error: Batch job submission failed: Invalid account"
    hire_one(tmp_path, f"#!/bin/sh\necho '{refusal}' >&2\nexit 1\n", lambda: refusal in caplog.text)
    assert "Slurm refused a worker, the others go on without it" in caplog.text
