"""Whether a denoiser that has a version for a GPU runs there."""

import importlib.util
from functools import cache

from scan2seg.errors import InputError


def use_cuda(device: str) -> bool:
    """Decide for ``auto``, ``cpu`` or ``cuda``.

    Raises:
        InputError: ``cuda`` was asked for and torch finds no GPU.
    """
    if device == "cpu":
        return False
    if device == "cuda" and not _cuda_available():
        raise InputError("device: cuda was asked for, but torch finds no GPU here; write auto or cpu")
    return _cuda_available()


@cache
def _cuda_available() -> bool:
    if importlib.util.find_spec("torch") is None:
        return False
    import torch

    return bool(torch.cuda.is_available())
