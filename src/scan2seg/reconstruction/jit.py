"""Compilation by numba, typed: the decorated function keeps its signature, and the machine code is kept on disk."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

import numba

# Without it the inner loop of gridding is compiled to scalar code, four times slower.
numba.config.SLP_VECTORIZE = 1

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def compiled(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Compile a function that runs without Python's lock; NaN and infinity are kept as they are."""
    return cast(Callable[Arguments, Result], numba.njit(nogil=True, cache=True)(function))


def compiled_fast(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Compile with fused multiply-add; the result is still the same on every run and for every number of threads."""
    return cast(Callable[Arguments, Result], numba.njit(nogil=True, cache=True, fastmath={"contract", "nsz"})(function))
