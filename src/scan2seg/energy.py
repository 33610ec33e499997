"""Energy of the GPU (NVML) or of the processor package (Intel's RAPL), in joules."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import cuda

RAPL = Path("/sys/class/powercap")
Counter = tuple[float, float]
"""Joules that were counted so far, and where the counter begins again; infinite where it does not."""


class EnergyMeter:
    """Measures the energy between ``start`` and ``stop``; None where no counter can be read."""

    def __init__(self, device: str) -> None:
        """Measure the GPU that torch computes on (``cuda``), or the processor packages with all that runs there."""
        self.device = device
        self._before: list[Counter] = []
        self._earlier: float | None = 0.0

    def start(self) -> None:
        """Read the counters."""
        self._before = read_counters(self.device)

    def add(self, joules: float | None) -> None:
        """Count what was measured before ``start`` too; None where that is not known."""
        self._earlier = None if None in (joules, self._earlier) else (self._earlier or 0.0) + (joules or 0.0)

    def read(self) -> float | None:
        """Return the joules since ``start``."""
        after = read_counters(self.device)
        if not after or len(after) != len(self._before) or self._earlier is None:
            return None
        # a package's counter begins again after some 250 kJ
        pairs = zip(self._before, after, strict=True)
        spent = sum(now - before + (limit if now < before else 0.0) for (before, _), (now, limit) in pairs)
        return self._earlier + spent

    def stop(self) -> float | None:
        """Return the joules since ``start``."""
        return self.read()


def add_up(joules: Sequence[float | None], device: str, nodes: int = 1) -> float | None:
    """Return the energy of processes that train together, by rank, as many on each node.

    That of all GPUs; a processor's counter has all processes of its node in it.
    """
    counted = joules if device == "cuda" else joules[:: len(joules) // nodes]
    return None if None in counted else sum(value for value in counted if value is not None)


def read_counters(device: str) -> list[Counter]:
    """Return the counters of a device, none where there is no driver, no right to read, or no such counter."""
    try:
        return _read_gpu() if device == "cuda" else _read_processor()
    except Exception:
        return []


def explain_unknown(device: str) -> str:
    """Say why the energy of a device is not known."""
    try:
        _read_gpu() if device == "cuda" else _read_processor()
    except LookupError as error:
        return str(error.args[0])
    except PermissionError:
        return "the processor's counter (RAPL) may be read by the administrator only"
    except Exception as error:
        return f"the counter cannot be read ({type(error).__name__}: {error})"
    return "the counter could not be read in all parts of the training"


def _read_gpu() -> list[Counter]:
    import pynvml

    pynvml.nvmlInit()
    # Torch numbers the GPUs that CUDA_VISIBLE_DEVICES leaves, NVML all of them, and in another order.
    uuid = str(cuda.get_device_properties(cuda.current_device()).uuid)
    handle = pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid.removeprefix('GPU-')}")
    if _is_shared(pynvml, handle):
        raise LookupError("the GPU is divided (MIG), and its only counter has the other parts' energy in it")
    return [(float(pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)) / 1e3, float("inf"))]


def _read_processor() -> list[Counter]:
    packages = sorted(RAPL.glob("intel-rapl:?"))
    if not packages:
        raise LookupError("the machine shows no counter of the processor (RAPL)")
    return [_read_package(path) for path in packages]


def _is_shared(pynvml: Any, handle: Any) -> bool:
    """Tell whether the GPU is divided (MIG): its only counter then has the other parts' energy in it."""
    try:
        return bool(pynvml.nvmlDeviceGetMigMode(handle)[0])
    except pynvml.NVMLError:  # most GPUs know no such mode
        return False


def _read_package(folder: Path) -> Counter:
    return tuple(int((folder / name).read_text()) / 1e6 for name in ("energy_uj", "max_energy_range_uj"))  # type: ignore[return-value]
