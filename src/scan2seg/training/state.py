"""The state of an unfinished run on disk: whole or not at all, with the one before kept until then."""

import os
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO

from scan2seg.checkpoint import serialise
from scan2seg.errors import InputError, is_full_disk

BEFORE = ".before"
"""What the name of the state before the newest ends in."""


class WholeFiles(TorchCheckpointIO):
    """Writes Lightning's checkpoints beside their targets and renames them.

    Lightning itself writes to the system's temporary folder and copies from there, where that is another file system:
    a kill in between would leave half a file in the place of the last whole one.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write a checkpoint to the disk, then let it take the target's place; that one stays as ``.before``.

        Raises:
            InputError: the disk is full.
        """
        target = Path(path)
        partial = target.with_name(f".{target.name}.partial")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with partial.open("wb") as file:
                file.write(serialise(checkpoint))
                file.flush()
                os.fsync(file.fileno())
            if target.exists():
                os.replace(target, target.with_name(target.name + BEFORE))
            os.replace(partial, target)
        except OSError as error:
            raise _explain(error, target) from None
        finally:
            partial.unlink(missing_ok=True)

    def remove_checkpoint(self, path: Any) -> None:
        """Remove a checkpoint and the one before it."""
        for each in (Path(path), Path(f"{path}{BEFORE}")):
            each.unlink(missing_ok=True)


def find_whole(path: Path) -> tuple[Path | None, str | None]:
    """Return the newest state that can be read, or the one before; and what is wrong with those that cannot."""
    wrong = None
    for each in (path, path.with_name(path.name + BEFORE)):
        if not each.is_file():
            continue
        try:
            torch.load(each, map_location="cpu", weights_only=True)
        except Exception as error:
            wrong = f"{each}: {type(error).__name__}"
        else:
            return each, wrong
    return None, wrong


def _explain(error: OSError, target: Path) -> Exception:
    if is_full_disk(error):
        words = "the disk is full; the state of the epochs before is kept. Free space and run again to go on"
        return InputError(f"{target.parent}: {words}")
    return error
