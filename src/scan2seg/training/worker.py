"""One of the processes that train a model together; started by the launcher, never by hand.

It is told its part in a line of JSON on standard input, and says what it has to say in lines of JSON on standard
output: ``{"level", "message"}`` for the log, ``{"mistake"}`` for an InputError. It ends when its standard input does,
so that no worker outlives the launcher, however that one ends.
"""

import json
import logging
import os
import shutil
import sys
import threading
import traceback
from pathlib import Path
from typing import TextIO

from scan2seg.documents import Json
from scan2seg.errors import InputError
from scan2seg.logging import LOGGER


class _Reports(logging.Handler):
    """Hands the messages of the log to the launcher."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self.stream = stream

    def emit(self, record: logging.LogRecord) -> None:
        self.send({"level": record.levelno, "message": record.getMessage()})

    def send(self, report: Json) -> None:
        print(json.dumps(report), file=self.stream, flush=True)


def main() -> None:
    """Train the part that standard input tells."""
    part = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_launcher, args=(Path(part["store"]).parent,), daemon=True).start()
    # what libraries print must not come between the reports
    reports = _Reports(os.fdopen(os.dup(1), "w", encoding="utf-8"))
    os.dup2(2, 1)
    if part["rank"] == 0:
        LOGGER.addHandler(reports)
        LOGGER.setLevel(logging.INFO)
        LOGGER.propagate = False
    status = 0
    try:
        _train(part)
    except BaseException as error:
        status = 1
        if isinstance(error, InputError):
            reports.send({"mistake": str(error)})
        traceback.print_exc()
    sys.stderr.flush()
    # a regular end takes a second, and could wait for processes that will not answer any more
    os._exit(status)


def _train(part: Json) -> None:
    import torch
    from torch import distributed

    from scan2seg.training.job import TrainingJob
    from scan2seg.training.train import train_model

    backend = "gloo"
    if part["device"] == "cuda":
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        backend = "cpu:gloo,cuda:nccl"
    store = f"file://{part['store']}"
    distributed.init_process_group(backend, store, rank=part["rank"], world_size=part["devices"])
    train_model(TrainingJob.model_validate(part["job"]))
    distributed.destroy_process_group()


def _end_with_launcher(meeting_place: Path) -> None:
    # the descriptor itself: a thread that waits in sys.stdin would hold its lock at the interpreter's end
    while os.read(0, 1024):
        pass
    shutil.rmtree(meeting_place, ignore_errors=True)
    os._exit(1)


if __name__ == "__main__":
    main()
