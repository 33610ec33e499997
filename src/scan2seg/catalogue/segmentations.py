"""New scans segmented by the best model of an experiment."""

from dataclasses import dataclass

from scan2seg.catalogue.runs import Training
from scan2seg.catalogue.thing import Dependencies, Thing
from scan2seg.catalogue.volumes import Volume
from scan2seg.documents import Json


@dataclass(frozen=True)
class Segmentation(Thing):
    """The labels of a new volume by a model, or by the best of several: which one is known once they are scored."""

    volume: Volume
    model: str
    trainings: dict[str, Training]
    """The models to choose from: one, unless the best of several is taken. So are the keys of what follows."""
    inference: dict[str, Json]
    replicates: dict[str, tuple[str, ...]]
    scored: dict[str, str]
    """Where, below a replicate, the predictions lie by which the models were scored."""
    trained_on: str

    def runs(self) -> list[list[str]]:
        """List every run to choose from: dataset, model and replicate, and the folders of training and scores.

        Model and replicate are named as the experiment does, in an order that is the same for every experiment.
        """
        return [
            [training.dataset_name, name, replicate, folder, folder + self.scored[name]]
            for name, training in sorted(self.trainings.items())
            for replicate in self.replicates[name]
            for folder in [f"{training.path}/{replicate}"]
        ]

    @property
    def content(self) -> Json:
        """The volume, the models to choose from, how they are applied, and how one is chosen."""
        return {
            "volume": self.volume.key,
            "model": "best" if self.model == "best" else self.trainings[self.model].folder,
            "trainings": {name: training.folder for name, training in self.trainings.items()},
            "inference": self.inference,
            "replicates": {name: list(replicates) for name, replicates in self.replicates.items()},
            "scored": self.scored,
        }

    @property
    def parents(self) -> tuple[Thing, ...]:
        """The volume and the models."""
        return (self.volume, *self.trainings.values())

    @property
    def path(self) -> str:
        """The store of the labels."""
        return f"segmentations/{self.folder}/labels.zarr"

    def dependencies(self) -> Dependencies:
        """Return the code of the segmentation and of the architectures."""
        modules = {training.architecture_module() for training in self.trainings.values()}
        return Dependencies(modules=("scan2seg.inference.segmentation", *sorted(modules)))
