"""Who works on a thing: two processes that want the same one never write it together.

Whoever works on a stage's outputs holds an owner file beside them: host, process, Slurm job, and a heartbeat (the
file's time). Another one that wants the same waits. It goes on when the owner has died, and takes the outputs as they
are when the owner finished just what it would have made itself.
"""

import json
import os
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from scan2seg.logging import info, warn

Json = dict[str, Any]
HEARTBEAT = 10.0
"""Seconds between two signs of life."""
SILENCE = 90.0
"""Seconds without one after which an owner on another host is taken for dead."""
POLL = 1.0


@contextmanager
def owning(outputs: Sequence[Path], stage: str, content: str, since: float) -> Iterator[bool]:
    """Hold the outputs of a stage; yield False where another process has made the same meanwhile.

    Args:
        outputs: files and stores of one stage; the owner file lies beside the first.
        stage: the stage's name.
        content: a fingerprint of everything that decides what is made: settings, inputs and code.
        since: the time (seconds since the epoch) at which it was decided that the outputs have to be made; what was
            made of the same content after it is taken as it is.
    """
    file = outputs[0].parent / f".{outputs[0].name}.owner"
    file.parent.mkdir(parents=True, exist_ok=True)
    mine = {**describe_process(), "stage": stage, "content": content}
    _acquire(file, mine)
    try:
        made = _read(_record(file))
        if _is_same(made, content, since) and all(output.exists() for output in outputs):
            info("made by process %s on %s meanwhile: taken as it is", made.get("process"), made.get("host"))
            yield False
            return
        with _beating(file):
            yield True
        _write(_record(file), {**mine, "finished": time.time()})
    finally:
        file.unlink(missing_ok=True)


def describe_process() -> Json:
    """Name this process: host, number, when it started (numbers are used again), and the Slurm job if there is one."""
    import psutil

    process = psutil.Process()
    found = {"host": socket.gethostname(), "process": process.pid, "started": process.create_time()}
    return {**found, "slurm_job": os.environ.get("SLURM_JOB_ID")}


def is_alive(owner: Json, silent: float) -> bool:
    """Tell whether an owner lives: on this host its process is asked, of others the heartbeat tells.

    Args:
        owner: what the owner file holds.
        silent: seconds since its last sign of life.
    """
    import psutil

    if owner.get("host") != socket.gethostname():
        return silent < SILENCE
    try:
        started: float = psutil.Process(int(owner["process"])).create_time()
        return abs(started - float(owner["started"])) < 1
    except (psutil.NoSuchProcess, KeyError, ValueError, TypeError):
        return False


def _acquire(file: Path, mine: Json) -> None:
    told = False
    while True:
        try:
            with file.open("x", encoding="utf-8") as opened:
                json.dump(mine, opened)
            return
        except FileExistsError:
            pass
        owner, silent = _read(file), _silence(file)
        # a file that was made this moment may not be written yet
        if silent is not None and (owner or silent > SILENCE) and not is_alive(owner, silent):
            warn("%s: its owner, process %s on %s, is gone; going on", file, owner.get("process"), owner.get("host"))
            _remove_dead(file, owner)
            continue
        if not told and owner:
            info("waiting for process %s on %s, which makes the same", owner.get("process"), owner.get("host"))
            told = True
        time.sleep(POLL)


def _remove_dead(file: Path, owner: Json) -> None:
    """Remove a dead owner's file, unless another one that waited has done so and put its own there."""
    aside = file.with_name(f"{file.name}.{socket.gethostname()}.{os.getpid()}")
    try:
        file.rename(aside)
    except FileNotFoundError:
        return
    if _read(aside) != owner:
        aside.rename(file)
        return
    aside.unlink()


@contextmanager
def _beating(file: Path) -> Iterator[None]:
    stop = threading.Event()

    def beat() -> None:
        while not stop.wait(HEARTBEAT):
            try:
                os.utime(file)
            except OSError:
                continue

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _silence(file: Path) -> float | None:
    """Return the seconds since the last sign of life, by the clock of the file system; None where the file is gone."""
    probe = file.with_name(f"{file.name}.{socket.gethostname()}.{os.getpid()}.clock")
    try:
        probe.touch()
        return probe.stat().st_mtime - file.stat().st_mtime
    except FileNotFoundError:
        return None
    finally:
        probe.unlink(missing_ok=True)


def _record(file: Path) -> Path:
    return file.with_suffix(".made")


def _is_same(made: Json, content: str, since: float) -> bool:
    return made.get("content") == content and float(made.get("finished", 0)) >= since


def _read(file: Path) -> Json:
    try:
        found = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _write(file: Path, content: Json) -> None:
    from scan2seg.replacement import replacing

    with replacing(file) as partial:
        partial.write_text(json.dumps(content), "utf-8")
