"""Nodes without a home folder: the variables that docs/cluster.md names are enough."""

from pathlib import Path

import pytest
from pipeline import Pipeline

VARIABLES = ("XDG_CACHE_HOME", "MPLCONFIGDIR", "NUMBA_CACHE_DIR", "SCAN2SEG_WEIGHTS")


@pytest.mark.slow
def test_an_experiment_needs_no_home_folder(tmp_path: Path) -> None:
    made = Pipeline(tmp_path)
    (tmp_path / "config/experiments/tiny.yaml").write_text("datasets: [pillar]\nmodels: [small]\nsaliency: true\n")
    # not even root can make this one
    made.env = {**made.env, "HOME": "/dev/null/home", **{name: str(tmp_path / "cache") for name in VARIABLES}}
    result = made.run()
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    assert (tmp_path / "results/reports/tiny/index.html").is_file()
    del made.env["XDG_CACHE_HOME"]
    result = made.run("-n")
    assert result.returncode != 0 and "/dev/null/home" in result.stdout + result.stderr
