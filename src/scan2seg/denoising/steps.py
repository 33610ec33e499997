"""The steps of denoising, each with what it measured in a sample of the volume."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scan2seg import logging
from scan2seg.config.base import Chosen
from scan2seg.continuation import Arrays, Unfinished, recall

Volume = NDArray[np.float32]
Measured = Mapping[str, Any]
"""What a denoiser found in a sample, by names of its own: a noise level, or a trained network."""

_MEASURED = "measured"


@dataclass(frozen=True)
class Step:
    """One step of denoising, ready to run."""

    plugin: ModuleType
    params: Any
    measured: Measured

    def run(self, volume: Volume, threads: int) -> Volume:
        """Denoise a block (z, y, x)."""
        result: Volume = self.plugin.denoise(volume, self.params, self.measured, threads)
        return result


def prepare(unfinished: Unfinished, steps: Sequence[Chosen], sample: Callable[[], Volume], threads: int) -> list[Step]:
    """Prepare the steps as the first try did: a network that is trained again need not come out the same."""

    def measure() -> dict[str, NDArray[Any]]:
        return {
            f"{number}/{name}/{part}": np.asarray(content)
            for number, step in enumerate(prepare_steps(steps, sample(), threads))
            for name, value in step.measured.items()
            for part, content in (value if isinstance(value, Mapping) else {"": value}).items()
        }

    return _make_steps(steps, unfinished.remember(_MEASURED, measure))


def recall_steps(steps: Sequence[Chosen], store: Path) -> list[Step]:
    """Return the steps that ``prepare`` returned for an unfinished store, as another process needs them."""
    return _make_steps(steps, recall(store, _MEASURED))


def _make_steps(steps: Sequence[Chosen], remembered: Arrays) -> list[Step]:
    measured: list[dict[str, Any]] = [{} for _ in steps]
    for place, content in remembered.items():
        number, name, part = place.split("/", 2)
        if part:
            measured[int(number)].setdefault(name, {})[part] = content
        else:
            measured[int(number)][name] = content.item()
    return [Step(step.module, step.parameters, found) for step, found in zip(steps, measured, strict=True)]


def prepare_steps(steps: Sequence[Chosen], sample: Volume, threads: int = 1) -> list[Step]:
    """Load the steps and let each measure the sample as the steps before it leave it."""
    ready: list[Step] = []
    for chosen in steps:
        plugin, params = chosen.module, chosen.parameters
        measured: Measured = {}
        if hasattr(plugin, "measure"):
            seen = sample
            for step in ready:
                seen = step.run(seen, threads)
            measured = plugin.measure(seen, params)
            logging.info("%s: %s", chosen.method, numbers(measured) or "trained")
        ready.append(Step(plugin, params, measured))
    return ready


def count_splits(step: Chosen) -> int:
    """Return how many reconstructions a step works on, 0 for the volume itself."""
    return int(step.module.splits(step.parameters)) if hasattr(step.module, "splits") else 0


def reach(step: Chosen) -> int:
    """Return how many slices beyond a slab a step needs."""
    return int(step.module.depth(step.parameters)[0])


def numbers(measured: Measured) -> dict[str, float]:
    """Return what was measured but for arrays."""
    return {name: value for name, value in measured.items() if isinstance(value, int | float)}
