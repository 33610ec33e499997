"""Nodes without a home folder: the variables that docs/cluster.md names are enough."""

import subprocess
import sys
from pathlib import Path

import pytest
from pipeline import CACHES, ROOT, Pipeline

KERNEL = """
import numpy as np
from scan2seg.evaluation.region_contacts import count_contacts
plane, links = np.ones((4, 4), np.int32), np.zeros((0, 2), np.int32)
count_contacts(plane, plane, plane, plane, 0, 1, np.zeros(2, np.int64), np.zeros(2, np.int64), links)
"""


def test_an_experiment_needs_no_home_folder(pipeline: Pipeline) -> None:
    named = (ROOT / "docs/cluster.md").read_text("utf-8")
    assert all(f"`{name}`" in named for name in (*CACHES, "NUMBA_CACHE_DIR"))
    assert pipeline.env["HOME"] == "/dev/null/home"
    assert (pipeline.folder / "results/reports/tiny/index.html").is_file()
    assert pipeline.jobs() == {}
    without = {name: value for name, value in pipeline.env.items() if name != "XDG_CACHE_HOME"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "env", without)
        result = pipeline.run("-n")
    assert result.returncode != 0 and "/dev/null/home" in result.stdout + result.stderr


def test_compiled_kernels_go_where_the_variable_says(pipeline: Pipeline, tmp_path: Path) -> None:
    environment = {**pipeline.env, "NUMBA_CACHE_DIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", KERNEL], env=environment, check=True)
    assert list(tmp_path.rglob("*count_contacts*.nbi"))
