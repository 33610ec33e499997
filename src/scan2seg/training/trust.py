"""The precision of a training: what the recipe asks for, where ``auto`` has earned its trust."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from scan2seg.device import choose_precision
from scan2seg.precision import FLOAT32, Decision, PrecisionCheck, compare_precision, heed_comparison
from scan2seg.provenance import describe_hardware, is_like_hardware
from scan2seg.storage import read_json, write_json
from scan2seg.training.processes import gather, rank


def settle_precision(
    wanted: str, network: nn.Module, measure: Callable[[str], Tensor], device: str, state: Path, identity: str
) -> Decision:
    """Choose the precision of a training, after a comparison with float32 on one batch.

    Where the two differ by more than rounding explains, ``auto`` goes on in float32; a precision that was asked for by
    name stays, with a warning. The decision is kept with the state of the run, so that a resumed one computes alike;
    on other hardware half precision has to prove itself anew. Of several processes one that disagrees is enough.

    Args:
        wanted: auto, float32, bfloat16 or float16.
        network: in train mode and its memory format; it is moved to the device and otherwise left as it was.
        measure: returns the loss of one batch in the precision of the given name.
        device: cpu or cuda.
        state: the folder of the run's state, where the first process keeps the decision.
        identity: of the run; the decision of another one is not taken up.
    """
    precision = choose_precision(wanted, device)
    if precision == "float32":
        return FLOAT32
    kept = state / "precision.json"
    known = gather(read_json(kept) if rank() == 0 and kept.is_file() else None)[0]
    if known is not None and _holds(known, identity):
        return Decision(known["precision"], PrecisionCheck(**known["precision_check"]))
    checks = gather(compare_precision(network.to(torch.device(device)), measure, device, precision))
    check = next((each for each in checks if not each.agrees), checks[0])
    decision = heed_comparison(check, wanted, "training.precision")
    if rank() == 0:
        write_json(kept, {**decision.describe(), "identity": identity, "hardware": describe_hardware()})
    return decision


def _holds(known: Mapping[str, Any], identity: str) -> bool:
    """Say whether a kept decision, as it was read back, is of this run and true here: float32 is right everywhere."""
    same = known["precision"] == "float32" or is_like_hardware(known["hardware"])
    return bool(known["identity"] == identity and same)
