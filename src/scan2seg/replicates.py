"""What the name of a replicate says, and what its fold stands for."""

from scan2seg.documents import Json
from scan2seg.errors import InputError


def parse_replicate(name: str) -> tuple[int, int | None]:
    """Return (seed, fold) of a replicate's name, such as ``seed0`` or ``fold2-seed0``.

    Raises:
        InputError: the name is neither.
    """
    fold, dash, seed = name.rpartition("-")
    if seed.startswith("seed") and seed[4:].isdigit() and (not dash or (fold[:4] == "fold" and fold[4:].isdigit())):
        return int(seed[4:]), int(fold[4:]) if dash else None
    raise InputError(f"replicate '{name}': must be like seed0 or fold2-seed0")


def sides_of(divided: Json, fold: int | None) -> Json:
    """Return what a replicate trains and validates on, "train" and "validation" to image indices.

    Args:
        divided: split.json.
        fold: of the replicate; None for the split's own sides, without cross-validation.
    """
    return dict(divided if fold is None else divided["folds"][fold])
