"""Nodes without a home folder or a network: the variables that docs/cluster.md names, and nothing, are enough."""

import shutil
import subprocess
from pathlib import Path

import pytest
from pipeline import Pipeline

VARIABLES = ("XDG_CACHE_HOME", "MPLCONFIGDIR", "NUMBA_CACHE_DIR", "SCAN2SEG_WEIGHTS")


@pytest.mark.slow
def test_an_experiment_needs_no_home_folder(tmp_path: Path) -> None:
    made = Pipeline(tmp_path)
    (tmp_path / "config/experiments/tiny.yaml").write_text(
        "datasets: [cells, pillar]\nmodels: [small]\nsaliency: true\n"
    )
    # not even root can make this one
    made.env = {**made.env, "HOME": "/dev/null/home", **{name: str(tmp_path / "cache") for name in VARIABLES}}
    result = made.run()
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    assert (tmp_path / "results/reports/tiny/index.html").is_file()
    del made.env["XDG_CACHE_HOME"]
    result = made.run("-n")
    assert result.returncode != 0 and "/dev/null/home" in result.stdout + result.stderr


@pytest.mark.slow
def test_an_experiment_needs_no_network(tmp_path: Path) -> None:
    # a network of its own, in which not even the loopback interface is up
    alone = ["unshare", "--net"]
    if shutil.which("unshare") is None or subprocess.run([*alone, "true"], capture_output=True, check=False).returncode:
        pytest.skip("to be without a network needs unshare and root, or namespaces of users")
    made = Pipeline(tmp_path)
    (tmp_path / "config/experiments/tiny.yaml").write_text("datasets: [pillar]\nmodels: [small]\n")
    result = subprocess.run(
        [*alone, *made.command()], cwd=tmp_path, env=made.env, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    for name in ("index.html", "mlflow.json"):
        assert (tmp_path / "results/reports/tiny" / name).is_file()
