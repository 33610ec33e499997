"""A target is the old one or the new one, whatever fails in between."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from scan2seg import processes
from scan2seg.replacement import FOREIGN_SECONDS, replacing


def write(path: Path, text: str, kind: str) -> None:
    with replacing(path) as partial:
        if kind == "folder":
            partial.mkdir()
            (partial / "content").write_text(text)
        else:
            partial.write_text(text)


def read(path: Path) -> str:
    return (path / "content" if path.is_dir() else path).read_text()


@pytest.mark.parametrize("old", ["file", "folder"])
@pytest.mark.parametrize("new", ["file", "folder"])
@pytest.mark.parametrize("failing", [None, 1, 2])
def test_the_old_target_outlives_a_rename_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str, failing: int | None
) -> None:
    target = tmp_path / "a"
    write(target, "old", old)
    calls, rename = [], os.replace

    def replace(source: Path, destination: Path) -> None:
        calls.append(source)
        if len(calls) == failing:
            raise PermissionError(13, "not now")
        rename(source, destination)

    monkeypatch.setattr(os, "replace", replace)
    if failing is None or (failing == 2 and old == new == "file"):
        write(target, "new", new)
        assert read(target) == "new"
    else:
        with pytest.raises(PermissionError):
            write(target, "new", new)
        assert read(target) == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_crash_between_the_two_renames_is_mended_by_the_next_writer(tmp_path: Path) -> None:
    target = tmp_path / "a"
    script = (
        "import os, signal, sys; from pathlib import Path; from scan2seg.replacement import replacing\n"
        "rename, calls = os.replace, []\n"
        "def replace(*names):\n"
        "    calls.append(names)\n"
        "    if len(calls) == 2: os.kill(os.getpid(), signal.SIGKILL)\n"
        "    rename(*names)\n"
        "os.replace = replace\n"
        "with replacing(sys.argv[1]) as partial: partial.mkdir()\n"
    )
    write(target, "old", "folder")
    subprocess.run([sys.executable, "-c", script, str(target)], check=False)
    assert not target.exists() and len(list(tmp_path.iterdir())) == 2
    with pytest.raises(ValueError, match="mine"), replacing(target):
        raise ValueError("mine")
    assert read(target) == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_what_a_running_process_writes_is_left_alone(tmp_path: Path) -> None:
    host = socket.gethostname().replace(".", "-")
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        mine = tmp_path / f".a.json.{host}.{other.pid}-{processes.started(other.pid)}.partial"
        mine.write_text("half")
        write(tmp_path / "a.json", "1", "file")
        assert mine.is_file() and (tmp_path / "a.json").is_file()
        other.communicate(b"\n")
    write(tmp_path / "a.json", "2", "file")
    assert not mine.exists()


def test_a_number_that_another_process_has_now_does_not_keep_what_a_dead_one_left(tmp_path: Path) -> None:
    host = socket.gethostname().replace(".", "-")
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        started = processes.started(other.pid)
        left = tmp_path / f".a.json.{host}.{other.pid}-{started - 1}.partial"
        left.write_text("half")
        write(tmp_path / "a.json", "1", "file")
        assert not left.exists()
        other.kill()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as nobody_waits:
        start = processes.started(nobody_waits.pid)
        nobody_waits.kill()
        while processes.started(nobody_waits.pid) is not None:
            time.sleep(0.02)
        assert Path(f"/proc/{nobody_waits.pid}").exists()
        left = left.with_name(f".a.json.{host}.{nobody_waits.pid}-{start}.partial")
        left.write_text("half")
        write(tmp_path / "a.json", "2", "file")
        assert not left.exists()


def test_another_host_s_partial_is_judged_by_its_age(tmp_path: Path) -> None:
    """The process number says nothing here, where that process never ran; nor is another target's partial ours."""
    foreign = tmp_path / ".a.elsewhere.999999999-1700000000.partial"
    other = tmp_path / ".a.json.elsewhere.999999999-1700000000.partial"
    foreign.mkdir()
    (foreign / "chunk").write_text("half")
    other.write_text("half")
    long_ago = time.time() - FOREIGN_SECONDS - 60
    os.utime(foreign, (long_ago, long_ago))
    os.utime(other, (long_ago, long_ago))
    write(tmp_path / "a", "1", "file")
    assert foreign.exists()
    os.utime(foreign / "chunk", (long_ago, long_ago))
    write(tmp_path / "a", "1", "file")
    assert not foreign.exists() and other.exists()
