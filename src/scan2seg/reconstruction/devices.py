"""Choosing between CPU and GPU."""

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from scan2seg.errors import InputError


def use_cuda(device: str) -> bool:
    """Tell whether ``auto``, ``cpu`` or ``cuda`` means the GPU on this machine.

    Raises:
        InputError: a GPU is demanded and there is none.
    """
    if device == "cpu":
        return False
    # Importing torch takes seconds: not where there cannot be a GPU.
    possible = Path("/proc/driver/nvidia").exists() or Path("/dev/nvidia0").exists() or Path("/dev/dxg").exists()
    if possible and find_spec("torch") is not None:
        import torch

        if torch.cuda.is_available():
            return True
    if device == "cuda":
        raise InputError("device: cuda: torch finds no GPU here. Write device: auto or cpu, or run on a GPU node")
    return False


def optional_library(name: str, install: str) -> Any:
    """Import a library that scan2seg does not require.

    Raises:
        InputError: it is not installed or cannot be loaded; the message says how to install it.
    """
    try:
        return import_module(name)
    except (ImportError, OSError) as error:
        raise InputError(
            f"backend {name}: the library cannot be loaded ({error}); install it with: {install}"
        ) from None
