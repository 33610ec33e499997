"""Simulated projections, reconstructions and denoised volumes."""

from collections.abc import Sequence
from dataclasses import dataclass

from scan2seg import plugins
from scan2seg.catalogue.files import watch
from scan2seg.catalogue.thing import Dependencies, Thing, make_key
from scan2seg.config.base import Chosen
from scan2seg.config.dataset import Dataset
from scan2seg.config.reconstruction import ReconstructionSettings
from scan2seg.config.scan_files import RawScan, ScanFiles
from scan2seg.config.simulation import SimulationSettings
from scan2seg.documents import Json


@dataclass(frozen=True)
class Simulation(Thing):
    """The projections of a simulated scan and its true labels."""

    settings: SimulationSettings

    @property
    def content(self) -> Json:
        """The settings of the simulation."""
        return self.settings.model_dump(mode="json")

    @property
    def path(self) -> str:
        """The projections."""
        return f"simulations/{self.folder}/projections.h5"

    @property
    def labels(self) -> str:
        """The true labels."""
        return f"simulations/{self.folder}/labels.zarr"

    def dependencies(self) -> Dependencies:
        """Return the code of the simulation."""
        return Dependencies(modules=("scan2seg.simulation.scan",))


@dataclass(frozen=True)
class Reconstruction(Thing):
    """The reconstructed volume of a scan; ``source`` is what the reader is told of a scan that is not simulated."""

    source: RawScan | None
    settings: ReconstructionSettings
    splits: int
    simulation: Simulation | None = None

    @property
    def content(self) -> Json:
        """Files, reader and settings; or the simulation and settings."""
        source = self.simulation.key if self.simulation else self._raw.content()
        return {"source": source, "settings": self.settings.model_dump(mode="json"), "splits": self.splits}

    @property
    def parents(self) -> tuple[Thing, ...]:
        """The simulation, if it is one."""
        return (self.simulation,) if self.simulation else ()

    @property
    def device(self) -> str:
        """``cuda`` where it needs a GPU, ``auto`` where it takes one that is there, or ``cpu``."""
        return "cuda" if getattr(self.settings.backend.module, "NEEDS_GPU", False) else self.settings.device

    def scan_source(self, results: str) -> RawScan:
        """Return what the reader is told: the user's files, or those of the simulation in the results folder.

        The reader is named, so that a job asks, and depends on, no other.
        """
        if self.simulation:
            return RawScan(projections=f"{results}/{self.simulation.path}", reader="data_exchange")
        from scan2seg.readers.dependencies import scan_readers

        readers = scan_readers(self._raw)
        named = {"reader": readers[0]} if len(readers) == 1 and not self._raw.paths else {}
        return self._raw.model_copy(update=named)

    @property
    def _raw(self) -> RawScan:
        assert self.source is not None, "a simulated scan has no files of the user's"
        return self.source

    @property
    def path(self) -> str:
        """The store of the volume."""
        return f"reconstructions/{self.folder}/volume.zarr"

    def dependencies(self) -> Dependencies:
        """Return the raw files, and the code of reader, backend and stripe removal."""
        from scan2seg.readers.dependencies import SCANS, companions, scan_files, scan_readers

        files = () if self.simulation else scan_files(self._raw, self.settings)
        readers = ("data_exchange",) if self.simulation else scan_readers(self._raw)
        modules = (
            "scan2seg.reconstruction.scan",
            self.settings.backend.module_name,
            self.settings.stripes.module_name,
            *(plugins.module_name(SCANS, name) for name in readers),
        )
        return watch([*files, *companions(SCANS, readers, files)], modules)


@dataclass(frozen=True)
class DenoisedVolume(Thing):
    """A denoised volume; where there is no step of denoising there is none, and the reconstruction serves."""

    reconstruction: Reconstruction
    steps: tuple[Chosen, ...]

    @property
    def content(self) -> Json:
        """The reconstruction and the steps."""
        return {"reconstruction": self.reconstruction.key, "steps": [step.content() for step in self.steps]}

    @property
    def parents(self) -> tuple[Thing, ...]:
        """The reconstruction."""
        return (self.reconstruction,)

    @property
    def device(self) -> str:
        """``cuda`` where a step needs a GPU, ``auto`` where one takes one that is there, or ``cpu``."""
        devices = {step.get("device", "cpu") for step in self.steps}
        return next((device for device in ("cuda", "auto") if device in devices), "cpu")

    @property
    def path(self) -> str:
        """The store of the volume."""
        return f"volumes/{self.folder}/volume.zarr"

    def dependencies(self) -> Dependencies:
        """Return the code of the denoisers."""
        steps = (step.module_name for step in self.steps)
        return Dependencies(modules=("scan2seg.denoising.scan", *steps))


Volume = Reconstruction | DenoisedVolume


def reconstruction_of(volume: Volume) -> Reconstruction:
    """Return the reconstruction that a volume is or comes from."""
    return volume.reconstruction if isinstance(volume, DenoisedVolume) else volume


def stages_of(volume: Volume) -> list[Volume]:
    """Return the reconstruction, and the denoised volume where there is one."""
    return [volume.reconstruction, volume] if isinstance(volume, DenoisedVolume) else [volume]


def export_path(volume: Volume, form: Chosen) -> str:
    """Return where a volume lies in another format: beside the store; of settings of its own, under their key."""
    default = form.module.Params()
    mark = "" if form.parameters == default else f"-{make_key(form.content())}"
    return f"{volume.path.rpartition('/')[0]}/volume{mark}{form.module.SUFFIX}"


def scan_volumes(dataset: Dataset) -> dict[str, Volume]:
    """Return the final volume of every scan of a dataset, by the scan's name; none where the source is no scan."""
    return {name: _volume(dataset, name, scan) for name, scan in dataset.scans().items()}


def _volume(dataset: Dataset, name: str, scan: ScanFiles | SimulationSettings) -> Volume:
    simulation = Simulation(name, scan) if isinstance(scan, SimulationSettings) else None
    source = None if simulation else dataset.scan_source(name)
    steps = dataset.denoising()
    reconstruction = Reconstruction(name, source, dataset.reconstruction(name), _count_splits(steps), simulation)
    return DenoisedVolume(name, reconstruction, tuple(steps)) if steps else reconstruction


def _count_splits(steps: Sequence[Chosen]) -> int:
    """Return into how many sets the first denoiser wants the projections divided; 0 for most."""
    splits = getattr(steps[0].module, "splits", None) if steps else None
    return int(splits(steps[0].parameters)) if splits else 0
