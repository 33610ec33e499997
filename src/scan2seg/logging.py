"""What a stage says: progress lines on the terminal, everything in its log file, errors without a traceback."""

import errno
import logging
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from scan2seg.errors import InputError, is_full_disk
from scan2seg.memory import set_job_memory

Item = TypeVar("Item")
LOGGER = logging.getLogger("scan2seg")
SILENCE = 30.0
"""Seconds after which long work says where it is."""


def info(message: str, *values: Any) -> None:
    """Log a line of information."""
    LOGGER.info(message, *values)


def warn(message: str, *values: Any) -> None:
    """Log a warning: the work goes on, but the user should know."""
    LOGGER.warning(message, *values)


class _Once(logging.Filter):
    """Lets each warning pass once: files are listed several times on one way, and each time with its remarks."""

    def __init__(self) -> None:
        super().__init__()
        self.said: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        if record.levelno < logging.WARNING or text not in self.said:
            self.said.add(text)
            return True
        return False


@contextmanager
def warning_once() -> Iterator[None]:
    """Say equal warnings once within the block."""
    once = _Once()
    LOGGER.addFilter(once)
    try:
        yield
    finally:
        LOGGER.removeFilter(once)


def warn_once() -> None:
    """Say equal warnings once from now on, in a process that does one thing."""
    LOGGER.addFilter(_Once())


class _Kept(logging.Handler):
    """Keeps what it is told."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())


@contextmanager
def keeping_warnings() -> Iterator[list[str]]:
    """Keep the warnings of the block, for another process to say them."""
    kept = _Kept()
    LOGGER.addHandler(kept)
    try:
        yield kept.said
    finally:
        LOGGER.removeHandler(kept)


def progress(items: Iterable[Item], label: str, total: int | None = None) -> Iterator[Item]:
    """Iterate with a progress bar; in a log or a batch job it becomes a line every ten seconds."""
    from tqdm import tqdm

    interactive = sys.stderr.isatty()
    yield from tqdm(
        items,
        desc=label,
        total=total,
        file=sys.stderr,
        ascii=not interactive,
        mininterval=0.2 if interactive else 10,
        dynamic_ncols=interactive,
    )


@contextmanager
def counting_pixels(label: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show a progress bar of pixels, with pixels a second and the time left; yield what adds those that are done."""
    from tqdm import tqdm

    interactive = sys.stderr.isatty()
    form: dict[str, Any] = {"unit": "px", "unit_scale": True, "ascii": not interactive, "dynamic_ncols": interactive}
    with tqdm(desc=label, total=total, file=sys.stderr, mininterval=0.2 if interactive else 10, **form) as bar:
        yield bar.update


class Work:
    """How far long work is: ``done`` of ``total`` ``things``."""

    def __init__(self, label: str, things: str, total: int) -> None:
        """Start the clock."""
        self.label, self.things, self.total = label, things, total
        self.done, self.started = 0, time.monotonic()

    def describe(self) -> str:
        """Return what was done, the seconds spent and, once something was done, those left."""
        spent = time.monotonic() - self.started
        left = f", about {spent / self.done * (self.total - self.done):.0f} s left" if self.done else ""
        count = f" {self.done} of {self.total} {self.things}" if self.things else ""
        return f"{self.label}:{count} ({spent:.0f} s{left})"


@contextmanager
def reporting(label: str, things: str = "", total: int = 0) -> Iterator[Work]:
    """Say every half minute where long work is, also while one call of a library takes longer.

    Args:
        label: what is done.
        things: what is counted, such as "trees"; the caller counts in ``done``. Empty where nothing can be counted.
        total: how many there are.
    """
    work, ended = Work(label, things, total), threading.Event()

    def say() -> None:
        while not ended.wait(SILENCE):
            info("%s", work.describe())

    speaker = threading.Thread(target=say, daemon=True)
    speaker.start()
    try:
        yield work
    finally:
        ended.set()
        speaker.join()


@contextmanager
def stage(name: str, log: Path | str | None = None, memory: object = None) -> Iterator[None]:
    """Run one stage of the pipeline: log to the terminal and to the file, end cleanly on errors and signals.

    Args:
        name: of the rule.
        log: the file; None for the terminal alone.
        memory: what the rule asks for, in megabytes; the stage keeps within it where it has a choice.

    Raises:
        SystemExit: with status 1 after an error; the message is logged, a traceback only in the file.
    """
    try:
        handlers = _start_handlers(name, log)
    except OSError as error:
        print(f"{name}: ERROR {log}: the log cannot be written ({error.strerror})", file=sys.stderr)
        raise SystemExit(1) from None
    set_job_memory(memory)
    started = time.monotonic()
    previous = signal.signal(signal.SIGTERM, _terminate)
    try:
        LOGGER.info("started")
        with warning_once():
            yield
        LOGGER.info("finished in %.1f s", time.monotonic() - started)
    except InputError as error:
        LOGGER.error("%s", error)
        raise SystemExit(1) from None
    except Exception as error:
        if is_full_disk(error):
            LOGGER.error("the disk is full; free space and run again (%s)", error)
        elif isinstance(error, OSError) and error.errno == errno.EROFS:
            LOGGER.error("%s: cannot be written (%s)", error.filename, error.strerror)
        else:
            LOGGER.error("%s: %s%s", type(error).__name__, error, f" (details in {log})" if log else "")
            _write_traceback(log)
        raise SystemExit(1) from None
    finally:
        signal.signal(signal.SIGTERM, previous)
        for handler in handlers:
            LOGGER.removeHandler(handler)
            handler.close()


class _LogFile(logging.FileHandler):
    """A log that may miss a line on a full disk, without a word: the terminal has it too."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Go on."""

    def close(self) -> None:
        """Close the file; what is still to be written may find no room."""
        with suppress(OSError):
            super().close()


def _start_handlers(name: str, log: Path | str | None) -> list[logging.Handler]:
    form = logging.Formatter(f"%(asctime)s {name}: %(levelname)s %(message)s", "%H:%M:%S")
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    if log:
        Path(log).parent.mkdir(parents=True, exist_ok=True)
        handlers.append(_LogFile(log, mode="w", encoding="utf-8"))
    for handler in handlers:
        handler.setFormatter(form)
        LOGGER.addHandler(handler)
    LOGGER.setLevel(logging.INFO)
    LOGGER.propagate = False
    return handlers


def _terminate(number: int, frame: Any) -> None:
    raise SystemExit(128 + number)


def _write_traceback(log: Path | str | None) -> None:
    import traceback

    if log is None:
        traceback.print_exc()
        return
    try:
        with Path(log).open("a", encoding="utf-8") as file:
            traceback.print_exc(file=file)
    except OSError:
        traceback.print_exc()
