"""The files and stores of an experiment one by one: a thing may be of several, as a model is of its replicates."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scan2seg.catalogue.runs import Ensemble, Training, Trials
from scan2seg.catalogue.thing import Thing

if TYPE_CHECKING:
    from scan2seg.catalogue import Catalogue


@dataclass(frozen=True)
class Output:
    """One file or store, relative to the results folder, and the thing that it is, or is a part of."""

    kind: str
    thing: Thing
    path: str


def outputs(catalogue: "Catalogue") -> Iterator[Output]:
    """Iterate over every file and store that an experiment makes, each once; of a run its checkpoint and prediction."""
    for thing in catalogue.things():
        kind = type(thing).__name__.lower()
        if isinstance(thing, Trials):
            yield from (Output("trial", thing, path) for path in thing.files(thing.study.trials()))
        elif not isinstance(thing, Training | Ensemble):
            yield Output(kind, thing, thing.path)
    runs = {run.applied: run for run in catalogue.runs}
    trained = dict.fromkeys(run.folder for run in runs.values() if isinstance(run.thing, Training))
    by_folder = {run.folder: run for run in runs.values()}
    yield from (Output("training", by_folder[folder].thing, f"{folder}/checkpoint.pt") for folder in trained)
    yield from (Output("prediction", run.thing, f"{applied}/prediction.zarr") for applied, run in runs.items())
