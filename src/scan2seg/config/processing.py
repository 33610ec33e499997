"""Whether a new scan is processed as the scans that a model was trained on: what decides its grey levels."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from scan2seg.config.base import Chosen
from scan2seg.config.dataset import Dataset
from scan2seg.config.image_reading import Reading

if TYPE_CHECKING:
    from scan2seg.config.experiment import Experiment

KEYS = ("units", "backend", "stripes", "binning", "circular_mask", "delta_beta", "energy", "distance")
"""Settings of the reconstruction that decide grey levels, sharpness or noise. Where a volume lies does not."""


def list_differences(trained: Dataset, new: Dataset, scan: str) -> list[str]:
    """Say in what a new scan's processing is unlike that of every scan that was trained on, a phrase a setting.

    A network takes grey levels for what it learnt them to be: attenuation per millimetre instead of per pixel, or noise
    that the training scans had lost, give labels without a warning and without meaning.
    """
    if not trained.scans():
        return [f"was trained on {trained.source.kind}; whether these were made as this scan is cannot be checked"]
    known = [_processing(trained, name) for name in trained.scans()]
    return list(_unlike(known, _processing(new, scan)))


def warn_of_new_scans(experiment: "Experiment") -> list[str]:
    """Say of each scan that is to be segmented in what its processing is unlike the training scans'."""
    if not experiment.models or not experiment.datasets:
        return []
    trained = experiment.datasets[experiment.trained_on()]
    files = [(name, dataset) for name, dataset in experiment.new_scans.items() if not dataset.scans()]
    return [f"{name}: {line}" for name, dataset in files for line in _compare_reading(trained, dataset)] + [
        f"scan {scan}: {difference}"
        for dataset in experiment.new_scans.values()
        for scan in dataset.scans()
        for difference in list_differences(trained, dataset, scan)
    ]


def _compare_reading(trained: Dataset, new: Dataset) -> Iterator[str]:
    """Say which settings of new images do not count, because they are read as the training images were."""
    if trained.scans():
        yield "the model was trained on scans; what their reconstruction and denoising did is not done to files"
    known, own = (Reading.of(dataset.stack_source()) for dataset in (trained, new))
    for name in Reading.model_fields:
        used, given = getattr(known, name), getattr(own, name)
        if name != "kind" and given != Reading.model_fields[name].get_default() and used != given:
            yield f"{name}: {_word(given, None)} is not used; files are read as in training, with {_word(used, None)}"


def _processing(dataset: Dataset, scan: str) -> dict[str, Any]:
    settings = dataset.reconstruction(scan)
    return {**{key: getattr(settings, key) for key in KEYS}, "denoising": dataset.denoising()}


def _unlike(known: list[dict[str, Any]], new: dict[str, Any]) -> Iterator[str]:
    for key, value in new.items():
        if not any(value == other[key] for other in known):
            trained = sorted({_word(other[key], value) for other in known})
            yield f"{key} is {_word(value, known[0][key])}, in training {' or '.join(trained)}"


def _word(value: Any, beside: Any) -> str:
    """Name a setting: of a plugin its method, and its keys where the other is of the same method."""
    if isinstance(value, list):
        beside = beside if isinstance(beside, list) else []
        pairs = [(step, beside[place] if place < len(beside) else None) for place, step in enumerate(value)]
        return " then ".join(_word(step, other) for step, other in pairs) or "none"
    if not isinstance(value, Chosen):
        return "none" if value is None else str(value)
    if not isinstance(beside, Chosen) or beside.method != value.method:
        return value.method
    other = beside.content()
    unlike = [f"{key} {part}" for key, part in value.content().items() if part != other[key]]
    return f"{value.method} ({', '.join(unlike)})" if unlike else value.method
