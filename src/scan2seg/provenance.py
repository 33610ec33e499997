"""What made an output: settings, inputs, code version and hardware, kept with every output."""

import hashlib
import json
import platform
import subprocess
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from scan2seg import __version__

_LIBRARIES = ("numpy", "torch", "lightning", "monai", "scikit-image", "zarr", "dask", "numba")


def record(settings: Mapping[str, Any], inputs: Iterable[Path | str] = ()) -> dict[str, Any]:
    """Describe one output: JSON-ready, for ``attrs["provenance"]`` of a store or a key of a JSON file."""
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "scan2seg": __version__,
        "commit": _commit(),
        "settings": json.loads(json.dumps(settings, default=str)),
        "inputs": [Path(path).name for path in inputs],
        "python": platform.python_version(),
        "libraries": _versions(),
        "hardware": describe_hardware(),
    }


def fingerprint(content: Any) -> str:
    """Return a short hash of JSON-ready content, the same for equal content."""
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


@cache
def describe_hardware() -> dict[str, Any]:
    """Name the processor, its cores, and the GPU where torch is already loaded and sees one."""
    import os

    found: dict[str, Any] = {"processor": _processor(), "cores": os.cpu_count()}
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        found["gpu"] = torch.cuda.get_device_name(0)
    return found


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


@cache
def _versions() -> dict[str, str]:
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


@cache
def _commit() -> str | None:
    """Return the commit of the code, with ``+changes`` when the sources differ from it."""
    folder = Path(__file__).parent

    def git(*words: str) -> str:
        result = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True, check=True)
        return result.stdout.strip()

    try:
        return git("rev-parse", "--short=12", "HEAD") + ("+changes" if git("status", "--porcelain", ".") else "")
    except (OSError, subprocess.CalledProcessError):
        return None
