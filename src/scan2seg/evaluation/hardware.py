"""Which hardware a time was measured on: times of unlike hardware stand side by side and are never ranked."""

from collections.abc import Iterable
from typing import Any, Literal

from scan2seg.evaluation.ranking import Ranked
from scan2seg.evaluation.runs import Run

Kind = Literal["training", "timing"]
WORDS: dict[Kind, str] = {"training": "Training times", "timing": "Times of prediction"}


def kind_of(cost: str) -> Kind:
    """Return whether a cost was measured by the training or by the timing."""
    return "timing" if cost.startswith("prediction") else "training"


def describe_hardware(run: Run, kind: Kind) -> str:
    """Return the GPU that a run was trained or timed on, or the processor where it was none; empty where unknown."""
    facts: dict[str, Any] = (run.training if kind == "training" else run.timing) or {}
    hardware = (facts.get("provenance") or {}).get("hardware") or {}
    found = hardware.get("gpu") if facts.get("device") == "cuda" else hardware.get("processor")
    return str(found or "")


def list_hardware(rows: Iterable[Ranked], kind: Kind) -> list[str]:
    """Return all that the runs were trained or timed on, each once; what is unknown is left out."""
    found = (describe_hardware(run, kind) for row in rows for run in row.runs)
    return [name for name in dict.fromkeys(found) if name]


def are_comparable(rows: Iterable[Ranked], cost: str) -> bool:
    """Tell whether a time of the models may be ranked: all of them were measured on the same hardware."""
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
