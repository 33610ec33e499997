"""Workers that share volumes are turned on in a profile: nothing is made anew for it, and what they make is the same."""

import os
from pathlib import Path

import numpy as np
import pytest
import zarr
from pipeline import Pipeline

SHARED = ("reconstruct_scan", "denoise_scan", "segment_scan", "predict_stack")
STORES = (
    "reconstructions/*/volume.zarr",
    "volumes/*/volume.zarr",
    "segmentations/*/labels.zarr",
    "runs/*/*/prediction.zarr",
)


def turn_on(workers: str) -> tuple[str, str, str]:
    """Return the edit of the experiment that turns workers on."""
    return "config/experiments/tiny.yaml", "datasets:", f"cluster: {{workers: {workers}}}\ndatasets:"


def read(pipeline: Pipeline) -> dict[str, np.ndarray]:
    """Return every array that a stage makes which workers can share."""
    stores = [path for pattern in STORES for path in (pipeline.folder / "results").glob(pattern)]
    groups = {path: zarr.open_group(str(path), mode="r") for path in stores}
    return {f"{path}/{name}": np.asarray(array) for path, group in groups.items() for name, array in group.arrays()}


@pytest.mark.thorough
def test_turning_workers_on_makes_nothing_anew_and_what_they_make_is_the_same(pipeline: Pipeline) -> None:
    before = read(pipeline)
    with pipeline.edit(*turn_on(f"{{count: 2, where: machine, rules: [{', '.join(SHARED)}]}}")):
        assert pipeline.jobs() == {}
        result = pipeline.run("--forcerun", *SHARED, "--quiet", "rules", "host")
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    assert pipeline.jobs() == {}
    for rule in SHARED:
        logs = (pipeline.folder / "results/logs" / rule).rglob("*.log")
        # such small volumes are one shard, and no more workers are asked for; tests/unit/test_team.py has more
        assert any("slabs: 1, workers: 1 (processes of this job)" in log.read_text() for log in logs), rule
    after = read(pipeline)
    assert after.keys() == before.keys() and len(after) >= 9
    for name, values in before.items():
        np.testing.assert_array_equal(after[name], values, err_msg=name)
    assert not list((pipeline.folder / "results").rglob(".*.partial"))


@pytest.mark.slow
def test_workers_on_slurm_are_refused_before_the_first_job_where_there_is_no_slurm(
    pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in reversed(os.environ["PATH"].split(os.pathsep)):
        for program in Path(folder).glob("[!.]*"):
            if program.name != "sbatch":
                (tmp_path / program.name).unlink(missing_ok=True)
                (tmp_path / program.name).symlink_to(program)
    monkeypatch.setitem(pipeline.env, "PATH", str(tmp_path))
    with pipeline.edit(*turn_on("{count: 2}")):
        result = pipeline.run("--forcerun", "denoise_scan")
    assert result.returncode != 0 and "Traceback" not in result.stderr
    assert "cluster.workers.where: slurm: there is no sbatch here; write where: machine" in result.stderr
    assert "rule denoise_scan:" not in result.stdout + result.stderr
