"""Work that tests give to workers."""

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from scan2seg.logging import warn
from scan2seg.storage import open_writable


@dataclass(frozen=True)
class Fill:
    """Writes the number of each slice, and dies, or fails, where it is told to."""

    store: Path
    dies_at: int = -1
    times: int = 0
    """How often it dies there."""
    fails_at: int = -1
    error: Exception | None = None
    decision: str = ""

    def settle(self, note: Any) -> "Fill":
        return replace(self, decision=f"as {note['process']}")

    def open(self) -> Callable[[slice], Any]:
        (self.store.parent / f"opened-{os.getpid()}").touch()
        warn("what was opened is odd")
        target: Any = open_writable(self.store, anew=False)["a"]

        def run(slab: slice) -> Any:
            deaths = self.store.parent.glob("died-*")
            if slab.start == self.dies_at and len(list(deaths)) < self.times:
                (self.store.parent / f"died-{os.getpid()}").touch()
                os.kill(os.getpid(), signal.SIGKILL)
            if slab.start == self.fails_at:
                raise self.error or ValueError("no such slices")
            for place in range(slab.start, slab.stop):
                target[place] = place
            return {"process": os.getpid(), "decision": self.decision, "threads": os.environ["OMP_NUM_THREADS"]}

        return run
