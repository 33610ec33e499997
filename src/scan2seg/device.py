"""The device and the precision that a job computes with."""

import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from scan2seg.errors import InputError

_DRIVERS = ("/proc/driver/nvidia", "/dev/nvidia0", "/dev/dxg", "/dev/kfd")


def choose_device(wanted: str = "auto", count: int = 1) -> str:
    """Return ``cuda`` or ``cpu`` for ``auto``, ``cuda`` or ``cpu``.

    Raises:
        InputError: a GPU is asked for and there is none, or there are GPUs, but fewer than are asked for.
    """
    if wanted == "cpu":
        return "cpu"
    seen = count_gpus()
    if not seen:
        if wanted == "cuda":
            raise InputError("device: cuda is asked for, but torch sees no GPU; use auto or cpu, or run on a GPU node")
        return "cpu"
    if seen < count:
        raise InputError(f"training.devices: {count}, but torch sees {seen} GPU(s); lower it or raise resources.gpus")
    return "cuda"


def may_have_gpu() -> bool:
    """Tell whether this machine may have a GPU that jobs see: a look at the driver's files, without torch."""
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
    return not hidden and any(Path(driver).exists() for driver in _DRIVERS)


def count_gpus() -> int:
    """Count the GPUs that torch sees; importing it takes seconds, so not where there cannot be one."""
    if not ("torch" in sys.modules or may_have_gpu()) or find_spec("torch") is None:
        return 0
    import torch

    return int(torch.cuda.device_count()) if torch.cuda.is_available() else 0


def choose_precision(wanted: str, device: str) -> str:
    """Return ``float32``, ``bfloat16`` or ``float16``: bfloat16 where the hardware computes with it."""
    if wanted != "auto":
        return wanted
    if device == "cuda":
        import torch

        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float16"
    return "bfloat16" if _cpu_has_bfloat16() else "float32"


@contextmanager
def autocast(device: str, precision: str) -> Iterator[None]:
    """Compute a model in this precision, as training does."""
    if precision == "float32":
        yield
        return
    import torch

    from scan2seg.depthwise import fast_gradients

    with torch.autocast(device, dtype=getattr(torch, precision)), fast_gradients(device):
        yield


def set_threads(threads: int) -> None:
    """Let torch use this many processor cores."""
    import torch

    torch.set_num_threads(max(1, threads))


def limit_libraries(threads: int, kind: str | None = None) -> AbstractContextManager[Any]:
    """Return the context in which the libraries below numpy and scikit-learn use so many threads.

    Args:
        threads: of each.
        kind: blas for that alone, whose sums depend on how many it has.
    """
    from threadpoolctl import threadpool_limits

    limits: AbstractContextManager[Any] = threadpool_limits(threads, kind)
    return limits


def synchronise(device: str) -> None:
    """Wait until the GPU has finished, so that a clock tells the truth."""
    if device == "cuda":
        import torch

        torch.cuda.synchronize()


def peak_memory(device: str) -> int:
    """Return the most memory used so far in bytes: of the GPU where there is one, else of the process."""
    if device == "cuda":
        import torch

        return int(torch.cuda.max_memory_allocated())
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _cpu_has_bfloat16() -> bool:
    """Tell whether the processor multiplies bfloat16 in hardware; torch's emulation is slower than float32."""
    import torch

    for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        check = getattr(torch.cpu, name, None)
        if check is not None and check():
            return True
    return False
