"""What made an output: settings, inputs, code version and hardware, kept with every output."""

import hashlib
import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from scan2seg import __version__
from scan2seg.errors import InputError

MANY = 1000
DRIVER = Path("/proc/driver/nvidia/version")
_SAMPLE = 4 * 2**20
_LIBRARIES = ("numpy", "torch", "lightning", "monai", "scikit-image", "zarr", "dask", "numba", "openvino")


def record(settings: Mapping[str, Any], inputs: Iterable[Path | str] = ()) -> dict[str, Any]:
    """Describe one output: JSON-ready, for ``attrs["provenance"]`` of a store or a key of a JSON file."""
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "scan2seg": __version__,
        "commit": _commit(),
        "settings": json.loads(json.dumps(settings, default=str)),
        "inputs": describe_inputs([Path(path) for path in inputs]),
        "python": platform.python_version(),
        "libraries": versions(),
        "hardware": describe_hardware(),
    }


def describe_inputs(paths: Sequence[Path]) -> list[dict[str, Any]]:
    """Name inputs by path, by the key of what the pipeline made, and by a fingerprint of their content.

    Of more files than 1000, their number, common folder and one fingerprint stand for all.
    """
    if len(paths) > MANY:
        marks = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in paths]
        folder = os.path.commonpath([path.parent for path in paths])
        return [{"path": folder, "files": len(paths), "fingerprint": fingerprint(marks)}]
    return [{"path": str(path), "key": find_key(path), "fingerprint": fingerprint_file(path)} for path in paths]


def locate_inputs(output: Path, provenance: Mapping[str, Any], name: str) -> list[Path]:
    """Return the inputs of an output that have a name, from this folder, or wherever the results were moved to.

    Raises:
        InputError: one of them is not found.
    """
    found = []
    for entry in provenance["inputs"]:
        path = Path(entry["path"])
        if path.name != name:
            continue
        places = (root / path for root in (Path(), *output.resolve().parents))
        place = next((place for place in places if place.exists()), None)
        if place is None:
            raise InputError(f"{output}: was made from {path}, which is not found from here")
        found.append(place)
    return found


def find_key(path: Path) -> str | None:
    """Return the key of the nearest NAME-KEY folder of a path, or of a split, whose file is its key; None outside."""
    for part in reversed(path.parts):
        found = re.fullmatch(r"(?:.+-)?([0-9a-f]{8})(?:\.json|\.zarr)?", part)
        if found:
            return found[1]
    return None


def fingerprint_file(path: Path) -> str | None:
    """Return a hash of a file: of its size and its first and last 4 MB; of a store, of its root metadata.

    The metadata of our stores hold their own provenance, so that a store that was made again has another hash.
    """
    if path.is_dir():
        path = next((path / name for name in ("zarr.json", ".zattrs", ".zarray") if (path / name).is_file()), path)
    if not path.is_file():
        return None
    size = path.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    with path.open("rb") as file:
        digest.update(file.read(_SAMPLE))
        if size > _SAMPLE:
            file.seek(max(_SAMPLE, size - _SAMPLE))
            digest.update(file.read(_SAMPLE))
    return digest.hexdigest()[:16]


def fingerprint(content: Any) -> str:
    """Return a short hash of JSON-ready content, the same for equal content."""
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def stamp(path: Path) -> list[Any]:
    """Return what tells an input from a later one under its name, without reading it; JSON-ready.

    Of a folder every file counts, but Snakemake's own marks: a file that is replaced by another of the same size tells
    itself by its time, be that an older one.

    Args:
        path: a file or a folder, such as a Zarr store.

    Returns:
        The path, and a fingerprint of names, sizes in bytes and times of change in nanoseconds.

    Raises:
        OSError: there is no such file.
    """
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    return [str(path), fingerprint(_states([file for file in files if not file.name.startswith(".snakemake")]))]


@cache
def code_stamp() -> list[list[Any]]:
    """Return what tells this package's source from another, without reading it: [name, size, time] of every module.

    It is found once a process: what has been imported does not change with the files.
    """
    package = Path(__file__).parent
    return [[str(Path(name).relative_to(package)), *state] for name, *state in _states(sorted(package.rglob("*.py")))]


def _states(files: Iterable[Path]) -> list[list[Any]]:
    """Return name, size in bytes and time of change in nanoseconds of files."""
    states = ((file, file.stat()) for file in files)
    return [[str(file), state.st_size, state.st_mtime_ns] for file, state in states]


@cache
def describe_hardware() -> dict[str, Any]:
    """Name node, processor and cores, and GPU, driver and CUDA where torch is already loaded and sees one."""
    found: dict[str, Any] = {"node": platform.node(), "processor": _processor(), "cores": os.cpu_count()}
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        found |= {"gpu": torch.cuda.get_device_name(0), "driver": _driver(), "cuda": torch.version.cuda}
    return found


def name_node() -> str:
    """Return the name of this node, as Slurm has it where it started this process."""
    return os.environ.get("SLURMD_NODENAME") or platform.node()


def is_like_hardware(known: Mapping[str, Any]) -> bool:
    """Tell whether hardware that was described computes as this one does: all but the node's name is the same."""
    return {**known, "node": None} == {**describe_hardware(), "node": None}


def _driver() -> str | None:
    """Return the version of NVIDIA's driver as the kernel's module says it, or None."""
    try:
        found = re.search(r"Kernel Module.*?\s([0-9]+\.[0-9.]+)\s", DRIVER.read_text("utf-8"))
    except OSError:
        return None
    return found[1] if found else None


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


@cache
def versions() -> dict[str, str]:
    """Return the versions of the libraries that compute."""
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
