"""New scans, and new images and volumes, segmented by the best model of an experiment."""

from dataclasses import dataclass, replace

from scan2seg.catalogue.runs import Training
from scan2seg.catalogue.thing import Dependencies, Thing
from scan2seg.catalogue.volumes import Volume
from scan2seg.config.dataset import Dataset
from scan2seg.config.images import ImageSource
from scan2seg.config.volumes import VolumeSource
from scan2seg.documents import Json


@dataclass(frozen=True)
class Application(Thing):
    """Labels by a model, or by the best of several: which one is known once they are scored."""

    model: str
    trainings: dict[str, Training]
    """The models to choose from: one, unless the best of several is taken. So are the keys of what follows."""
    inference: dict[str, Json]
    replicates: dict[str, tuple[str, ...]]
    scored: dict[str, str]
    """Where, below a replicate, the predictions lie by which the models were scored."""
    trained_on: str
    members: tuple[str, ...]
    """MODEL/REPLICATE of each member of an ensemble; none where a model is used, or the best of several."""

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

    def choice(self) -> Json:
        """Return the models to choose from, how they are applied, and how one is chosen."""
        alone = "ensemble" if self.members else "best"
        named = self.trainings.get(self.model)
        return {
            "model": named.folder if named and self.model != "best" else alone,
            **({"members": list(self.members)} if self.members else {}),
            "trainings": {name: training.folder for name, training in self.trainings.items()},
            "inference": self.inference,
            "replicates": {name: list(replicates) for name, replicates in self.replicates.items()},
            "scored": self.scored,
        }

    def architecture_modules(self) -> tuple[str, ...]:
        """Name the modules of the architectures of the models to choose from."""
        return tuple(sorted({training.architecture_module() for training in self.trainings.values()}))


@dataclass(frozen=True)
class Segmentation(Application):
    """The labels of the volume of a new scan."""

    volume: Volume

    @property
    def content(self) -> Json:
        """The volume, and what is applied to it."""
        return {"volume": self.volume.key, **self.choice()}

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
        return Dependencies(modules=("scan2seg.inference.segmentation", *self.architecture_modules()))


@dataclass(frozen=True)
class FileSegmentation(Application):
    """The labels of a dataset's images or volumes, file by file; labels that it may have itself are not looked at."""

    dataset: Dataset

    @property
    def source(self) -> ImageSource | VolumeSource:
        """Where the images are."""
        source = self.dataset.source
        assert isinstance(source, ImageSource | VolumeSource), "scans are segmented as volumes"
        return source.without_labels()

    @property
    def content(self) -> Json:
        """Where the images are, and what is applied to them."""
        source = self.source.model_dump(mode="json")
        return {"source": source, "pixel_size": self.dataset.pixel_size, **self.choice()}

    @property
    def parents(self) -> tuple[Thing, ...]:
        """The models."""
        return tuple(self.trainings.values())

    @property
    def path(self) -> str:
        """The folder of the labels."""
        return f"segmentations/{self.folder}/labels"

    def dependencies(self) -> Dependencies:
        """Return the images, and the code of the segmentation, of the readers of its files and of the architectures."""
        from scan2seg.sources.files import stack_dependencies

        found = stack_dependencies(self.source)
        own = ("scan2seg.inference.dataset_segmentation", *self.architecture_modules())
        return replace(found, modules=(*own, *found.modules))
