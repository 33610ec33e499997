"""What runs in a worker: work is opened once, and the terminal is the job's."""

import logging
import pickle
import signal
from pathlib import Path

import pytest
from team_work import Fill

from scan2seg import storage, worker_process
from scan2seg.worker_process import DASK_LOGGERS, dask_setup, do_part


def test_work_is_opened_once_and_its_warnings_are_returned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_process, "_opened", {})
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    with storage.creating(tmp_path / "a.zarr") as group:
        storage.create_array(group, "a", (3,), "int64", per_shard=1)
    first, second = pickle.dumps(Fill(tmp_path / "a.zarr")), pickle.dumps(Fill(tmp_path / "a.zarr", decision="b"))
    said = [do_part(content, slice(0, 1)) for content in (first, first, second)]
    assert [warnings for _, warnings in said] == [["what was opened is odd"], [], ["what was opened is odd"]]
    assert [result["decision"] for result, _ in said] == ["", "", "b"]


def test_a_worker_leaves_ctrl_c_and_errors_to_the_job() -> None:
    before, levels = signal.getsignal(signal.SIGINT), {}
    for name in (*DASK_LOGGERS, "asyncio"):
        levels[name] = logging.getLogger(name).level
    try:
        dask_setup(None)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        assert not any(
            logging.getLogger(name).isEnabledFor(logging.ERROR) for name in ("distributed.worker", "asyncio")
        )
    finally:
        signal.signal(signal.SIGINT, before)
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
