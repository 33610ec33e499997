"""Stacks, their splits and their patches."""

from dataclasses import dataclass, field, replace

from scan2seg.catalogue.thing import Dependencies, Thing
from scan2seg.catalogue.volumes import Volume, reconstruction_of, scan_volumes
from scan2seg.config.dataset import Dataset
from scan2seg.config.patching import PatchingSettings
from scan2seg.config.scan_files import ScanFiles
from scan2seg.config.source import ScanVolume
from scan2seg.config.split import SplitSettings
from scan2seg.documents import Json


@dataclass(frozen=True)
class Stack(Thing):
    """The images of a dataset with their labels, in the one form that every source takes."""

    dataset: Dataset
    volumes: dict[str, Volume] = field(default_factory=dict)

    @property
    def content(self) -> Json:
        """Sources, labels and classes."""
        return {
            "source": self.dataset.stack_source().model_dump(mode="json"),
            "volumes": {
                name: {"volume": volume.key, "labels": self._label_files(name)} for name, volume in self.volumes.items()
            },
            "classes": self.dataset.classes,
            "pixel_size": self.dataset.pixel_size,
        }

    @property
    def parents(self) -> tuple[Thing, ...]:
        """The volumes of its scans."""
        return tuple(self.volumes.values())

    @property
    def path(self) -> str:
        """The store."""
        return f"stacks/{self.folder}/stack.zarr"

    def made_files(self) -> list[str]:
        """Return the paths of the volumes and of the labels of simulated scans, relative to the results folder."""
        simulations = [reconstruction_of(volume).simulation for volume in self.volumes.values()]
        labels = [simulation.labels for simulation in simulations if simulation]
        return [*(volume.path for volume in self.volumes.values()), *labels]

    def scans(self, results: str) -> dict[str, ScanVolume]:
        """Return volume and labels of each scan, as the stage takes them."""
        found = {}
        for name, volume in self.volumes.items():
            simulation = reconstruction_of(volume).simulation
            labels = {"labels": f"{results}/{simulation.labels}"} if simulation else self._label_files(name)
            found[name] = ScanVolume(volume=f"{results}/{volume.path}", **labels)
        return found

    def dependencies(self) -> Dependencies:
        """Return the images, volumes and labels, and the code of the source and of the readers of its files."""
        from scan2seg.sources.files import stack_dependencies

        found = stack_dependencies(self.dataset.source)
        return replace(found, modules=("scan2seg.stack", *found.modules))

    def _label_files(self, name: str) -> Json:
        """Return the user's label volume of a scan; nothing where a simulation knows the labels."""
        scan = self.dataset.scans()[name]
        return {"labels": scan.labels, "labels_key": scan.labels_key} if isinstance(scan, ScanFiles) else {}


@dataclass(frozen=True)
class Split(Thing):
    """How the images of a stack are divided; several splits of one stack lie side by side."""

    stack: Stack
    settings: SplitSettings
    folds: int | None

    @property
    def content(self) -> Json:
        """The stack, the settings and the number of folds."""
        return {"stack": self.stack.folder, "settings": self.settings.model_dump(mode="json"), "folds": self.folds}

    @property
    def parents(self) -> tuple[Thing, ...]:
        """The stack."""
        return (self.stack,)

    @property
    def path(self) -> str:
        """The JSON file."""
        return f"stacks/{self.stack.folder}/splits/{self.key}.json"

    def dependencies(self) -> Dependencies:
        """Return the code of the split."""
        return Dependencies(modules=("scan2seg.split",))


@dataclass(frozen=True)
class Patches(Thing):
    """The patches that models train on; models with equal patching share them."""

    split: Split
    settings: PatchingSettings

    @property
    def content(self) -> Json:
        """The split and the settings."""
        return {"split": self.split.key, "settings": self.settings.model_dump(mode="json")}

    @property
    def parents(self) -> tuple[Thing, ...]:
        """The split and the stack."""
        return (self.split, self.split.stack)

    @property
    def path(self) -> str:
        """The store."""
        return f"stacks/{self.split.stack.folder}/patches/{self.folder}.zarr"

    def dependencies(self) -> Dependencies:
        """Return the code of the patches."""
        return Dependencies(modules=("scan2seg.patches",))


def make_split(name: str, dataset: Dataset, folds: int | None) -> Split:
    """Return the split of a dataset, with the stack and volumes that it is made from.

    Args:
        name: the stem of the dataset's file: variants of one file that share a stack share its name too.
        dataset: the resolved dataset.
        folds: number of folds, None without cross-validation.
    """
    return Split(name, Stack(name, dataset, scan_volumes(dataset)), dataset.split, folds)
