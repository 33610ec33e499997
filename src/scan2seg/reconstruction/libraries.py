"""Libraries that scan2seg does not require."""

from importlib import import_module
from typing import Any

from scan2seg.errors import InputError


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
