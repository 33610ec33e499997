"""What had to be mended in the projections, and when that is too much."""

from dataclasses import dataclass
from typing import Any

from scan2seg import logging
from scan2seg.config.reconstruction import ReconstructionSettings
from scan2seg.errors import InputError
from scan2seg.readers.scan import Scan


@dataclass
class Counts:
    """What had to be mended, over all rows that become slices, in values of the projections; each is counted once."""

    nonfinite: int = 0
    clipped: int = 0
    zingers: int = 0
    bad_pixels: int = 0
    empty_slices: int = 0
    values: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Return it for attributes."""
        return dict(vars(self))

    def since(self, before: dict[str, int]) -> dict[str, int]:
        """Return what has come since a state that ``as_dict`` returned."""
        return {name: number - before[name] for name, number in vars(self).items()}

    def add(self, more: dict[str, int]) -> None:
        """Add what ``since`` returned."""
        for name, number in more.items():
            setattr(self, name, getattr(self, name) + number)


def check_counts(counts: Counts, scan: Scan, settings: ReconstructionSettings, slices: int) -> None:
    """Stop as soon as more values are bad than ``maximum_bad`` allows of a volume of so many slices.

    A transmission that had to be raised to ``minimum_transmission`` counts as one that is not finite: projections that
    were never written are zeros, and would be reconstructed as walls.

    Raises:
        InputError: too many are bad.
    """
    total = scan.shape[0] * scan.shape[2] * slices * settings.binning
    if counts.nonfinite + counts.clipped <= settings.maximum_bad * total:
        return
    raise InputError(
        f"{scan.path}: {counts.nonfinite} values of the projections are not finite and {counts.clipped} transmissions "
        f"are below minimum_transmission: {settings.minimum_transmission:g}, together more than maximum_bad: "
        f"{settings.maximum_bad:g} of {total} allows. Were projections never written, or does no beam pass the "
        "specimen? Repair the scan, leave rows out by rows:, or raise maximum_bad"
    )


def report_counts(counts: Counts, scan: Scan, settings: ReconstructionSettings) -> None:
    """Tell what was mended."""
    for number, what in (
        (counts.nonfinite, "values that are not finite were filled from their neighbours"),
        (counts.empty_slices, "detector rows have no finite value; their slices are empty"),
        (counts.clipped, f"transmissions were below {settings.minimum_transmission:g} and raised to it"),
    ):
        if number:
            logging.warn("%s: %d %s", scan.path.name, number, what)
    logging.info("%s: %d bad pixels and %d zingers replaced", scan.path.name, counts.bad_pixels, counts.zingers)
