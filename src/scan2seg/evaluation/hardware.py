"""What hardware a run was trained and timed on, in words: here and nowhere else.

Times of unlike hardware stand side by side and are never ranked.
"""

from collections.abc import Iterable
from typing import Literal

from scan2seg.documents import Json
from scan2seg.evaluation.costs import cost
from scan2seg.evaluation.ranking import Ranked
from scan2seg.evaluation.runs import Run

Kind = Literal["training", "timing"]
WORDS: dict[Kind, str] = {"training": "Training times", "timing": "Times of prediction"}
LABELS: dict[Kind, str] = {"training": "training", "timing": "prediction"}
VERSIONS = {"driver": "driver", "cuda": "CUDA"}


def kind_of(cost: str) -> Kind:
    """Return whether a cost was measured by the training or by the timing."""
    return "timing" if cost.startswith("prediction") else "training"


def name_hardware(run: Run, kind: Kind) -> str:
    """Return the GPU that a run was trained or timed on, or the processor where it was none; empty where unknown."""
    found = _machine(run, kind).get("gpu" if _facts(run, kind).get("device") == "cuda" else "processor")
    return str(found or "")


def name_devices(run: Run) -> str:
    """Return what a run was trained on, such as "2 × NVIDIA H100" or "cpu, 2 threads"; empty where that is unknown."""
    device, count, threads = (cost(run, name) for name in ("training_device", "devices", "training_threads"))
    if device == "cuda":
        name = name_hardware(run, "training") or device
        return f"{count} × {name}" if count else name
    if device == "cpu" and threads:
        return f"cpu, {threads} thread{'' if threads == 1 else 's'}"
    return str(device or "")


def describe_machines(rows: Iterable[Ranked]) -> list[str]:
    """Return all machines that the runs were trained and timed on, with their GPU, processor, cores and versions."""
    found: dict[str, None] = {}
    for row in rows:
        for run in row.runs:
            for kind, label in LABELS.items():
                machine = _machine(run, kind)
                words = [str(machine[key]) for key in ("gpu", "processor") if machine.get(key)]
                words += [f"{machine['cores']} cores"] if machine.get("cores") else []
                words += [f"{name} {machine[key]}" for key, name in VERSIONS.items() if machine.get(key)]
                if words:
                    found[f"{label}: {', '.join(words)}"] = None
    return list(found)


def _facts(run: Run, kind: Kind) -> Json:
    return run.training if kind == "training" else run.timing


def _machine(run: Run, kind: Kind) -> Json:
    """Return what a file of the run says of the machine that wrote it."""
    return (_facts(run, kind).get("provenance") or {}).get("hardware") or {}


def list_hardware(rows: Iterable[Ranked], kind: Kind) -> list[str]:
    """Return all that the runs were trained or timed on, each once; what is unknown is left out."""
    found = (name_hardware(run, kind) for row in rows for run in row.runs)
    return [name for name in dict.fromkeys(found) if name]


def are_comparable(rows: Iterable[Ranked], cost: str) -> bool:
    """Tell whether a time of the models may be ranked: no two of them are known to be of unlike GPUs or processors.

    Runs that do not say what they were measured on count as like any other.
    """
    return len(list_hardware(rows, kind_of(cost))) < 2


def describe_unlike(rows: Iterable[Ranked]) -> list[str]:
    """Say which times were measured on unlike hardware; nothing where none were."""
    rows = list(rows)
    found = {kind: list_hardware(rows, kind) for kind in WORDS}
    return [
        f"{WORDS[kind]} are of unlike hardware ({'; '.join(names)}) and are not ranked against one another."
        for kind, names in found.items()
        if len(names) > 1
    ]
