"""A loaded model applied to batches of tiles, in a precision and by a library that have shown to be right there."""

import copy
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Self

import torch
from torch import Tensor

from scan2seg.checkpoint import load_checkpoint
from scan2seg.config.training import InferenceSettings
from scan2seg.device import autocast, choose_device, choose_precision
from scan2seg.documents import Json
from scan2seg.inference.openvino_network import ConversionError, OpenVinoNetwork, trust
from scan2seg.logging import warn
from scan2seg.precision import (
    FLOAT32,
    Decision,
    PrecisionCheck,
    compare_precision,
    heed_comparison,
)


class LoadedModel:
    """A model that is loaded once a process. Tiles are (z, y, x): those of networks on images are one slice deep."""

    def __init__(
        self, checkpoint: Path, inference: InferenceSettings, device: str = "auto", precision: str | None = None
    ) -> None:
        """Load the checkpoint.

        Args:
            checkpoint: the model's file.
            inference: how the model is applied.
            device: auto, cpu or cuda.
            precision: auto, float32, bfloat16 or float16, before that of the inference settings. Half precision is
                compared with float32 on the first batch of tiles, see ``decision`` after it.

        Raises:
            InputError: the checkpoint cannot be read, or there is no such device.
        """
        self.device = choose_device(device)
        self.model, self.description = load_checkpoint(checkpoint, self.device)
        self._order = self.model.memory_format if inference.channels_last else torch.contiguous_format
        self.model = self.model.to(memory_format=self._order)
        self._openvino = OpenVinoNetwork(self.model)
        self.classes: list[str] = list(self.description["classes"])
        self.neighbours = int(self.description["neighbours"])
        self._lock = threading.Lock()
        self._configure(inference, precision)

    def _configure(self, inference: InferenceSettings, precision: str | None) -> None:
        self.settings = inference
        self._wanted = precision or self.settings.precision or self._follow_training()
        # thresholds and trees are exact in float32 and gain nothing from less
        fitted = hasattr(self.model.network, "fit")
        runtime = "torch" if fitted or self.device != "cpu" else self.settings.runtime
        self.decision = Decision("float32" if fitted else choose_precision(self._wanted, self.device), runtime=runtime)

    def with_settings(self, inference: InferenceSettings) -> Self:
        """Return the same model applied in another way; the weights are shared, and so is their order in memory."""
        other = copy.copy(self)
        other._configure(inference, None)
        return other

    @property
    def undecided(self) -> bool:
        """Whether the next batch of tiles will decide which precision all others are computed in."""
        return self.decision.is_open

    def decisions(self) -> list[Json]:
        """Return the precision that the model computes in, of each member of an ensemble, JSON-ready."""
        return [self.decision.describe()]

    def recall(self, decisions: Sequence[Json]) -> None:
        """Compute in the precision that ``decisions`` returned of the same model elsewhere."""
        (decision,) = (Decision.recall(decision) for decision in decisions)
        # a GPU is torch's, whatever computed on the processor of a try before
        here = decision.runtime == "torch" or self.device == "cpu"
        self.decision = decision if here else Decision(decision.precision)

    def logits(self, tiles: Tensor, decision: Decision) -> Tensor:
        """Return the logits (n, k, z, y, x) of tiles (n, c, z, y, x), computed as is decided."""
        flat = self.model.dimensions == 2
        tiles = tiles.squeeze(2) if flat else tiles
        if decision.runtime == "openvino":
            found = self._openvino(tiles, decision.precision)
        else:
            with autocast(self.device, decision.precision):
                found = self.model(tiles.contiguous(memory_format=self._order))
        return found.unsqueeze(2) if flat else found

    @torch.inference_mode()
    def forward(self, tiles: Tensor) -> None:
        """Do the network's part of ``run`` and nothing else: a forward pass for each flip."""
        for _ in self._flips():
            self.logits(tiles, self.decision)

    def _flips(self) -> list[list[int]]:
        """Return the axes of each flip whose predictions are averaged, none of the first."""
        return [[], [-2], [-1], [-2, -1]] if self.settings.flips else [[]]

    @torch.inference_mode()
    def run(self, tiles: Tensor) -> Tensor:
        """Return the probabilities (n, k, z, y, x) float32 of a batch of tiles (n, c, z, y, x)."""
        if self.undecided:
            self.decision = self._decide(tiles)
        return self._average(tiles, self.decision)

    def _decide(self, tiles: Tensor) -> Decision:
        """Compare what was chosen with torch in float32 on a batch of tiles; return what to go on with."""
        wanted = self.decision
        if wanted.runtime != "torch":
            check = self._compare_runtime(tiles, wanted)
            if check is not None:
                return replace(wanted, precision_check=check)
            wanted = Decision(wanted.precision)
        if not wanted.is_open:
            return wanted
        network = self.model.network
        check = compare_precision(
            network, lambda name: self._average(tiles, Decision(name)), self.device, wanted.precision
        )
        return heed_comparison(check, self._wanted, "inference.precision")

    def _compare_runtime(self, tiles: Tensor, wanted: Decision) -> PrecisionCheck | None:
        """Compare another library than torch with torch; None, and said, where it cannot compute, or is wrong."""
        try:
            found = self._average(tiles, wanted)
            return trust(self._average(tiles, FLOAT32), found, wanted.precision)
        except ConversionError as error:
            warn("%s; going on with torch", error)
            return None

    def _average(self, tiles: Tensor, decision: Decision) -> Tensor:
        """Return the mean probabilities of the mirrored versions that the settings ask for."""
        flips = self._flips()
        total: Tensor | None = None
        for axes in flips:
            probabilities = self.logits(tiles.flip(axes), decision).flip(axes).float().softmax(dim=1)
            total = probabilities if total is None else total + probabilities
        assert total is not None
        return total / len(flips)

    def _follow_training(self) -> str:
        return "float32" if self.description.get("precision") == "float32" else "auto"
