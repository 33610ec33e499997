"""Jobs of one machine that take a GPU run one after the other, unless more are allowed."""

import subprocess
import sys
from pathlib import Path

import pytest

SNAKEFILE = """
from scan2seg.workflow_outputs import keep_outputs

keep_outputs(workflow)


rule all:
    input: "a", "b"


rule take:
    output: "{name}"
    resources: gpu=1
    shell: "date +%s.%N > {output}; sleep 1.5; date +%s.%N >> {output}"
"""


@pytest.mark.parametrize(("options", "together"), [((), False), (("--resources", "gpu=2"), True)])
def test_two_jobs_share_a_gpu_only_where_that_is_asked_for(
    tmp_path: Path, options: tuple[str, ...], together: bool
) -> None:
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    command = [sys.executable, "-m", "snakemake", "-c8", *options]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    (one, two) = sorted([float(line) for line in (tmp_path / name).read_text().split()] for name in "ab")
    assert (two[0] < one[1]) == together
