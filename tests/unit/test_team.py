"""Workers share a volume: what they make is what one process makes, whoever of them dies."""

import errno
import json
import signal
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dask
import distributed  # noqa: F401 - its settings have to be there before one of them is changed for a while
import numpy as np
import psutil
import pytest
from stages import DYING, SETTINGS, assert_equal, content, finished, run
from team_work import Fill

from scan2seg import storage, team
from scan2seg.continuation import continuing
from scan2seg.errors import InputError
from scan2seg.team import Team, share_slabs
from scan2seg.workers import Workers

COUNT = 12


@pytest.mark.parametrize(
    "stage",
    ["reconstruct", *(pytest.param(name, marks=pytest.mark.slow) for name in ("denoise", "segment", "predict"))],
)
def test_two_workers_make_what_one_process_makes(stage: str, stage_inputs: Path, tmp_path: Path) -> None:
    settings, _ = SETTINGS[stage]
    if "precision" in settings:
        # which of the two is taken is decided by the first slab, for all
        settings = settings | {"precision": "bfloat16"}
    assert len(finished(run(stage, stage_inputs, tmp_path / "alone.zarr", settings))) >= 3
    assert len(finished(run(stage, stage_inputs, tmp_path / "shared.zarr", settings, shared=True))) >= 3
    assert_equal(content(tmp_path / "shared.zarr"), content(tmp_path / "alone.zarr"))
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize(
    "stage",
    [
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("reconstruct", "segment")),
        *(pytest.param(name, marks=pytest.mark.thorough) for name in ("denoise", "predict")),
    ],
)
def test_when_the_job_is_killed_its_workers_end_and_the_next_goes_on(
    stage: str, stage_inputs: Path, tmp_path: Path
) -> None:
    settings, _ = SETTINGS[stage]
    finished(run(stage, stage_inputs, tmp_path / "alone.zarr", settings))
    target = tmp_path / "killed.zarr"
    killed = run(stage, stage_inputs, target, settings, DYING.format(parts=2), shared=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    # subprocess waits for the end of all who hold its output: the workers are gone
    (partial_store,) = tmp_path.glob(".killed.zarr.*.partial")
    recorded = (partial_store / ".unfinished").read_text().splitlines()[1:]
    parts = finished(run(stage, stage_inputs, target, settings, shared=True))
    assert len(recorded) == 2 and not {json.loads(line)[0] for line in recorded} & {start for start, _ in parts}
    assert_equal(content(target), content(tmp_path / "alone.zarr"))
    assert not list(tmp_path.glob(".*")) and not list(target.glob(".*"))


def share(folder: Path, workers: Workers, **words: Any) -> tuple[list[Any], dict[int, Any]]:
    """Fill a store of slices with their numbers; return it, and what was returned of each slab."""
    target = folder / "a.zarr"
    with continuing(target, 1, []) as unfinished:
        create = partial(storage.create_array, unfinished.group, "a", (COUNT,), "int64", per_shard=1)
        array, work = unfinished.array("a", create), Fill(unfinished.folder, **words)
        settle = Fill.settle if words.get("decision") == "none" else None
        notes = list(share_slabs(unfinished, [array], work, workers, "fill", settle=settle))
    return np.asarray(storage.open_array(target, "a")).tolist(), notes


def test_a_worker_that_is_killed_is_replaced_and_its_slabs_are_done(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # whoever sets it wants it so, in workers too
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    # what the user has set for other work of Dask would fail at the first
    with dask.config.set({"distributed.scheduler.allowed-failures": 0}):
        found, notes = share(tmp_path, Workers(1, 3), dies_at=5, times=2)
    assert found == list(range(COUNT)) and len(notes) == COUNT
    assert len(list(tmp_path.glob("died-*"))) == 2 and len(list(tmp_path.glob("opened-*"))) == 3
    assert {note["threads"] for note in notes} == {"3"}
    told = [record.getMessage() for record in caplog.records if record.name == "scan2seg"]
    assert "a worker ended before its work was done (1 so far); its slabs are given out again" in told
    assert "what was opened is odd" in told
    assert "distributed" not in (said := capfd.readouterr().err) and "odd" not in said
    assert not any("dask" in " ".join(child.cmdline()) for child in psutil.Process().children(recursive=True))


@pytest.mark.slow
def test_a_slab_that_ends_every_worker_is_told_of(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"slices \d+ to \d+, or those beside them, ended several workers .* \(mem_mb\)"
    ):
        share(tmp_path, Workers(1, 1), dies_at=5, times=99)
    assert not (tmp_path / "a.zarr").exists()


def test_an_error_of_a_worker_is_that_of_the_job_and_the_first_slab_decides_for_all(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no such slices"):
        share(tmp_path, Workers(1, 1), fails_at=7)
    assert not list(tmp_path.glob("*.zarr"))
    _, notes = share(tmp_path, Workers(2, 1), decision="none")
    assert [note["decision"] for note in notes] == ["none", *[f"as {notes[0]['process']}"] * (COUNT - 1)]


def test_a_time_out_of_the_work_is_an_error_and_no_lost_worker(tmp_path: Path) -> None:
    error = OSError(errno.ETIMEDOUT, "Connection timed out", "scan.h5")
    with pytest.raises(TimeoutError, match=r"scan\.h5"):
        share(tmp_path, Workers(1, 1), fails_at=0, error=error)


def test_no_more_workers_are_asked_for_than_there_are_slabs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def hire(workers: Workers, store: Path) -> Any:
        raise RuntimeError(f"{workers.count} workers")
        yield

    monkeypatch.setattr(team, "hire", hire)
    with pytest.raises(RuntimeError, match=f"^{COUNT} workers"):
        share(tmp_path, Workers(40, 1))


def test_a_job_that_finds_no_worker_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(team, "_NOBODY_SECONDS", -1)
    cluster = SimpleNamespace(scale=lambda _: None, scheduler_info={"workers": {"tls://here": {}}})
    alone = Team(None, cluster, Workers(2, 1))
    alone._replace_lost()
    cluster.scheduler_info["workers"].clear()
    with pytest.raises(InputError, match="no worker could be started"):
        alone._replace_lost()
