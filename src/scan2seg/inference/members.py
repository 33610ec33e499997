"""The models that are applied together: one, or the members of an ensemble, whose probabilities are averaged."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scan2seg.config.training import InferenceSettings
from scan2seg.documents import Json
from scan2seg.errors import InputError
from scan2seg.inference.tiling import Predictor, Reader, choose_classes
from scan2seg.precision import Decision


@dataclass(frozen=True)
class Member:
    """A trained model and how it is applied."""

    checkpoint: Path
    inference: InferenceSettings


def describe_inference(members: Sequence[Member]) -> Json | list[Json]:
    """Return how a model is applied, or a list of how each member of an ensemble is, JSON-ready."""
    first, *others = [member.inference.model_dump(mode="json") for member in members]
    return [first, *others] if others else first


class Ensemble(Predictor):
    """Several models as one: the mean of their probabilities. What it says of itself is what its first member says."""

    def __init__(self, members: Sequence[Predictor]) -> None:
        """Take models of the same classes that see the same of an image."""
        vars(self).update(vars(members[0]))
        self.members = members

    @property
    def decision(self) -> Decision:  # type: ignore[override]
        """The precision of the first member, which it decides on its first tiles."""
        return self.members[0].decision

    @property
    def undecided(self) -> bool:
        """Whether a member's precision will be decided by the next batch of tiles."""
        return any(member.undecided for member in self.members)

    def decisions(self) -> list[Json]:
        """Return the precision of each member, JSON-ready."""
        return [member.decision.describe() for member in self.members]

    def recall(self, decisions: Sequence[Json]) -> None:
        """Compute in the precisions that ``decisions`` returned of these members elsewhere."""
        for member, decision in zip(self.members, decisions, strict=True):
            member.recall([decision])

    def walk(
        self, read: Reader, wanted: range, volume: range, finish: Callable[[Tensor], Tensor] = torch.clone
    ) -> Iterator[Tensor]:
        """Yield the mean probabilities (k, y, x) of slices of a volume, or what is kept of them; see ``Predictor``.

        The sum and one member's probabilities of an image are in memory, of however many members.
        """
        first, *others = [member.walk(read, wanted, volume) for member in self.members]
        for total in first:
            for walk in others:
                total += next(walk)
            yield finish(total.div_(len(self.members)))

    def walk_labels(self, read: Reader, wanted: range, volume: range) -> Iterator[NDArray[np.uint8]]:
        """Yield the classes (y, x) of slices of a volume, in order."""
        return (choose_classes(found).cpu().numpy() for found in self.walk(read, wanted, volume))

    def find_seen(self, wanted: range, volume: range) -> range:
        """Return the slices of a volume that any member reads for those that are wanted."""
        seen = [member.find_seen(wanted, volume) for member in self.members]
        return range(min(each.start for each in seen), max(each.stop for each in seen))

    def forget_volumes(self) -> None:
        """Forget what was measured of volumes."""
        for member in self.members:
            member.forget_volumes()


def load_predictor(members: Sequence[Member], device: str = "auto") -> Predictor:
    """Load one model, or several that are applied as one.

    Raises:
        InputError: a checkpoint cannot be read, or members have other classes, or see other images.
    """
    loaded = [Predictor(member.checkpoint, member.inference, device) for member in members]
    first, *others = loaded
    for member, other in zip(members[1:], others, strict=True):
        for what, mine, theirs in (
            ("classes", first.classes, other.classes),
            ("channels", first.model.channels, other.model.channels),
            ("neighbouring slices", first.neighbours, other.neighbours),
            ("dimensions", first.model.dimensions, other.model.dimensions),
            ("ways of reading images", first.description.get("reading"), other.description.get("reading")),
        ):
            if mine != theirs:
                whose = f"{member.checkpoint}: has other {what} than {members[0].checkpoint}"
                raise InputError(f"{whose}; they cannot be averaged")
    return Ensemble(loaded) if others else first
