"""Two processes that want the same thing never write it together, and a dead one keeps nobody waiting."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from scan2seg import ownership, processes
from scan2seg.ownership import describe_process, is_alive, owning

WORKER = """
import sys, time
from pathlib import Path
from scan2seg.ownership import owning
target, log = Path(sys.argv[1]), Path(sys.argv[2])
with owning([target], "train", sys.argv[3], float(sys.argv[4])) as needed:
    if needed:
        with log.open("a") as file:
            file.write("begin\\n")
        time.sleep(float(sys.argv[5]))
        target.write_text(sys.argv[3])
        with log.open("a") as file:
            file.write("end\\n")
"""


def start(folder: Path, content: str = "same", since: float = 0.0, seconds: float = 0.5) -> subprocess.Popen[bytes]:
    words = [str(folder / "out.pt"), str(folder / "log"), content, str(since), str(seconds)]
    return subprocess.Popen([sys.executable, "-c", WORKER, *words])


def test_of_several_at_once_one_works_and_the_others_take_what_it_made(tmp_path: Path) -> None:
    began = time.time()
    workers = [start(tmp_path, since=began) for _ in range(4)]
    assert [worker.wait() for worker in workers] == [0] * 4
    assert (tmp_path / "log").read_text() == "begin\nend\n"
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".owner"] == []


def test_unlike_work_on_one_path_is_done_one_after_the_other(tmp_path: Path) -> None:
    began = time.time()
    workers = [start(tmp_path, content=name, since=began, seconds=0.2) for name in "abc"]
    assert [worker.wait() for worker in workers] == [0] * 3
    assert (tmp_path / "log").read_text() == "begin\nend\n" * 3


def test_what_was_made_before_it_was_asked_for_is_made_again(tmp_path: Path) -> None:
    assert start(tmp_path, seconds=0).wait() == 0
    assert start(tmp_path, since=time.time(), seconds=0).wait() == 0
    assert (tmp_path / "log").read_text() == "begin\nend\n" * 2


def test_a_killed_owner_is_succeeded_at_once(tmp_path: Path) -> None:
    worker = start(tmp_path, seconds=60)
    while not (tmp_path / "log").exists():
        time.sleep(0.05)
    worker.kill()
    worker.wait()
    began = time.monotonic()
    assert start(tmp_path, seconds=0).wait() == 0
    assert time.monotonic() - began < 20
    assert (tmp_path / "log").read_text() == "begin\nbegin\nend\n"


def test_an_error_leaves_nothing_that_keeps_others_waiting(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), owning([tmp_path / "a.zarr"], "stage", "x", 0.0):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
    with owning([tmp_path / "a.zarr"], "stage", "x", 0.0) as needed:
        assert needed


def test_another_host_s_owner_lives_as_long_as_its_heart_beats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ownership, "POLL", 0.01)
    file = tmp_path / ".a.zarr.owner"
    file.write_text(json.dumps({"host": "elsewhere", "process": 1, "start": 0}))
    assert is_alive({"host": "elsewhere"}, ownership.SILENCE - 1)
    os.utime(file, (0, time.time() - ownership.SILENCE - 5))
    with owning([tmp_path / "a.zarr"], "stage", "x", 0.0) as needed:
        assert needed


def test_a_number_that_another_process_has_now_is_not_the_owner() -> None:
    mine = describe_process()
    assert is_alive(mine, 1e9)
    assert not is_alive({**mine, "start": mine["start"] - 100}, 0)
    assert not is_alive({"host": mine["host"], "namespace": mine["namespace"]}, 0)


def test_a_container_of_the_same_host_is_known_by_its_heartbeat() -> None:
    """It has numbers of its own: the owner's means nothing here, or another process."""
    other = {**describe_process(), "namespace": "another boot or container", "process": 999_999}
    assert is_alive(other, ownership.SILENCE - 1)
    assert not is_alive(other, ownership.SILENCE + 1)


def test_a_process_that_ended_and_was_not_waited_for_is_dead() -> None:
    import psutil

    child = subprocess.Popen([sys.executable, "-c", ""])
    start = processes.started(child.pid)
    while psutil.Process(child.pid).status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)
    assert not is_alive({**describe_process(), "process": child.pid, "start": start}, 0)
    child.wait()


def test_who_was_taken_for_dead_leaves_the_file_of_who_took_over(tmp_path: Path) -> None:
    file = tmp_path / ".a.zarr.owner"
    with owning([tmp_path / "a.zarr"], "stage", "x", 0.0):
        file.write_text(json.dumps({**describe_process(), "stage": "another"}))
    assert json.loads(file.read_text())["stage"] == "another"


def test_who_comes_late_to_a_dead_owner_s_file_leaves_the_successor_s(tmp_path: Path) -> None:
    file = tmp_path / ".a.zarr.owner"
    file.write_text(json.dumps({**describe_process(), "stage": "successor"}))
    before = file.stat().st_ino
    ownership._remove_dead(file, {**describe_process(), "stage": "late"})
    assert file.stat().st_ino == before and [path.name for path in tmp_path.iterdir()] == [file.name]


def test_of_several_that_wait_for_a_dead_owner_one_takes_over(tmp_path: Path) -> None:
    (tmp_path / ".out.pt.owner").write_text(json.dumps({**describe_process(), "start": 0}))
    began = time.time()
    workers = [start(tmp_path, since=began, seconds=0.3) for _ in range(4)]
    assert [worker.wait() for worker in workers] == [0] * 4
    assert (tmp_path / "log").read_text() == "begin\nend\n"
    assert not list(tmp_path.glob("*owner*"))


def test_an_owner_file_that_cannot_be_written_keeps_nobody_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(ownership.json, "dump", full)
        with pytest.raises(OSError, match="space"), owning([tmp_path / "a.zarr"], "stage", "x", 0.0):
            pass
    assert list(tmp_path.iterdir()) == []
