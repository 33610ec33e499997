"""Who works on a thing: two processes that want the same one never write it together.

Whoever works on a stage's outputs holds an owner file beside them: host, process, Slurm job, and a heartbeat (the
file's time). Another one that wants the same waits. It goes on when the owner has died, and takes the outputs as they
are when the owner finished just what it would have made itself.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from scan2seg import processes
from scan2seg.logging import info, warn

if TYPE_CHECKING:
    # what surrounds every job imports no module that the job does not
    from scan2seg.documents import Json

HEARTBEAT = 10.0
"""Seconds between two signs of life."""
SILENCE = 90.0
"""Seconds without one after which an owner on another host is taken for dead."""
POLL = 1.0
_HELD: set[Path] = set()
"""Outputs that this process owns."""


@contextmanager
def owning(
    outputs: Sequence[Path],
    stage: str,
    content: str,
    since: float,
    inputs: Sequence[str] = (),
    describe: Callable[[], Json] = dict,
) -> Iterator[bool]:
    """Hold the outputs of a stage; yield False where another process has made the same meanwhile.

    Args:
        outputs: files and stores of one stage; the owner file lies beside the first.
        stage: the stage's name.
        content: a fingerprint of everything that decides what is made: settings, inputs and code.
        since: the time (seconds since the epoch) at which it was decided that the outputs have to be made; what was
            made of the same content after it is taken as it is.
        inputs: what the stage reads of the results folder; the owner file names it, so that nobody deletes it.
        describe: called once the outputs are made; what it says stays beside them with who made them.
    """
    file = owner_file(outputs[0])
    mine = {**describe_process(), "stage": stage, "content": content, "inputs": list(inputs)}
    _acquire(file, mine)
    try:
        made = _read(_record(file))
        if _is_same(made, content, since) and all(output.exists() for output in outputs):
            info("made by process %s on %s meanwhile: taken as it is", made.get("process"), made.get("host"))
            yield False
            return
        with _beating(file, mine), _holding(outputs):
            yield True
        _write(_record(file), {**mine, "finished": time.time(), "outputs": _names(outputs), **describe()})
    finally:
        _release(file, mine)


@contextmanager
def _holding(outputs: Sequence[Path]) -> Iterator[None]:
    held = {output.absolute() for output in outputs}
    _HELD.update(held)
    try:
        yield
    finally:
        _HELD.difference_update(held)


def is_owned(output: Path) -> bool:
    """Tell whether this process owns an output, so that no other one writes it, on any host."""
    return output.absolute() in _HELD


@contextmanager
def announcing(folder: Path, inputs: Sequence[str]) -> Iterator[None]:
    """Say, while an experiment runs, what it makes and reads, so that nobody deletes it between two of its jobs.

    Raises:
        OSError: the folder cannot be written.
    """
    file = folder / f".run.{uuid.uuid4().hex}.owner"
    mine = {**describe_process(), "stage": "snakemake", "inputs": list(inputs)}
    _create(file, mine)
    for left in folder.glob(".run.*.owner"):
        if find_owner(left) is None:
            left.unlink(missing_ok=True)
    try:
        with _beating(file, mine):
            yield
    finally:
        file.unlink(missing_ok=True)
        for empty in (folder, folder.parent):
            with suppress(OSError):
                empty.rmdir()


def _create(file: Path, mine: Json) -> None:
    """Make an owner file; its folder may vanish meanwhile, because another run of it ends and leaves it empty."""
    for left in reversed(range(100)):
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            opened = file.open("x", encoding="utf-8")
        except (FileNotFoundError, FileExistsError):
            if not left:
                raise
        else:
            _fill(opened, file, mine)
            return


def is_made(output: Path, content: str, since: float) -> bool:
    """Tell whether the outputs of a stage were made, of this content, after a time.

    Args:
        output: the first of the outputs.
        content: as of ``owning``; empty where any will do.
        since: seconds since the epoch.
    """
    made = _read(_record(owner_file(output)))
    return output.exists() and _is_same(made, content or str(made.get("content")), since)


def describe_process() -> Json:
    """Name this process: host, number, when it started (numbers are used again), and the Slurm job if there is one."""
    found = {"host": socket.gethostname(), "namespace": _namespace(), "process": os.getpid()}
    return {**found, "start": processes.started(), "slurm_job": os.environ.get("SLURM_JOB_ID")}


def find_owner(file: Path) -> Json | None:
    """Return what an owner file holds; None where its owner is dead or has finished."""
    owner, silent = _read(file), _silence(file)
    return None if silent is None or _is_dead(owner, silent) else owner


def is_alive(owner: Json, silent: float) -> bool:
    """Tell whether an owner lives: one whose process can be seen from here is asked, of others the heartbeat tells.

    Args:
        owner: what the owner file holds.
        silent: seconds since its last sign of life.
    """
    if owner.get("host") != socket.gethostname() or owner.get("namespace") != _namespace():
        return silent < SILENCE
    try:
        return processes.is_running(int(owner["process"]), owner.get("start"))
    except (KeyError, ValueError, TypeError):
        return False


@cache
def _namespace() -> str:
    """Tell which processes can be seen from here: containers of one host have numbers of their own, and its name."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def _acquire(file: Path, mine: Json, told: bool = False) -> None:
    while True:
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            opened = file.open("x", encoding="utf-8")
        except FileExistsError:
            pass
        else:
            _fill(opened, file, mine)
            return
        owner, silent = _read(file), _silence(file)
        if silent is not None and _is_dead(owner, silent):
            _remove_dead(file, mine)
            continue
        if not told and owner:
            info("waiting for process %s on %s, which makes the same", owner.get("process"), owner.get("host"))
            told = True
        time.sleep(POLL)


def _fill(opened: TextIO, file: Path, mine: Json) -> None:
    """Write an owner file that was just made; where that fails, as on a full disk, it must not keep others waiting."""
    try:
        with opened:
            json.dump(mine, opened)
    except BaseException:
        file.unlink(missing_ok=True)
        raise


def _is_dead(owner: Json, silent: float) -> bool:
    # a file that was made this moment may not be written yet
    return bool(owner or silent > SILENCE) and not is_alive(owner, silent)


def _remove_dead(file: Path, mine: Json) -> None:
    """Remove a dead owner's file: one at a time of those that wait, so that none removes what the first put there."""
    guard = file.with_name(f"{file.name}.successor")
    _acquire(guard, mine, told=True)
    try:
        owner, silent = _read(file), _silence(file)
        if silent is not None and _is_dead(owner, silent):
            warn("%s: its owner, process %s on %s, is gone; going on", file, owner.get("process"), owner.get("host"))
            file.unlink(missing_ok=True)
    finally:
        _release(guard, mine)


def _release(file: Path, mine: Json) -> None:
    """Remove an own file; what another one put there, who took this process for dead, is not touched."""
    if _read(file) == mine:
        file.unlink(missing_ok=True)


@contextmanager
def _beating(file: Path, mine: Json) -> Iterator[None]:
    stop = threading.Event()

    def beat() -> None:
        while not stop.wait(HEARTBEAT):
            try:
                if _read(file) == mine:
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


def _names(outputs: Sequence[Path]) -> list[str]:
    return [os.path.relpath(output, outputs[0].parent) for output in outputs]


def owner_file(output: Path) -> Path:
    """Return the owner file of a stage, by the first of its outputs."""
    return output.parent / f".{output.name}.owner"


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
