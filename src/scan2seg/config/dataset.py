"""A dataset: where its images come from, its classes and its split."""

import re
from pathlib import Path
from typing import Self

from pydantic import Field, ValidationError, model_validator

from scan2seg.config.base import Chosen, Name, Settings, is_unset
from scan2seg.config.images import ImageSource
from scan2seg.config.labels import LabelMapping
from scan2seg.config.published import PublishedRow
from scan2seg.config.reconstruction import ReconstructionSettings
from scan2seg.config.scan_files import RawScan, ScanFiles, ScanParts
from scan2seg.config.simulation import SimulationSettings
from scan2seg.config.source import ScanLabels, ScanSource, SimulationSource, Source
from scan2seg.config.split import SplitSettings
from scan2seg.config.volumes import VolumeSource


class Dataset(Settings):
    """A dataset file."""

    name: Name
    """Its name; the file's stem unless given."""
    description: str = ""
    """A sentence for the report."""
    source: Source
    """Where the images come from."""
    classes: list[str] = []
    """The names of the classes, in the order of their indices; none for data without labels."""
    unions: dict[str, list[str]] = Field(default={}, exclude_if=is_unset)
    """Name of a union of classes to the names of its classes, such as ``whole: [core, oedema]``; scored beside the
    classes as if their labels were one. Training and mean IoU stay those of the classes."""
    allow_absent_classes: bool = False
    """Let classes pass that no training label holds, as a published list of categories may have them."""
    pixel_size: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """Size of a pixel of the files in micrometres, in place of what they say; ``resize`` changes it with the pixels."""
    split: SplitSettings = SplitSettings()
    """How the images are divided."""
    published: list[PublishedRow] = []
    """Rows of the literature."""

    @model_validator(mode="after")
    def _check_classes(self) -> Self:
        if len(set(self.classes)) != len(self.classes):
            raise ValueError(f"classes: a name stands twice in {self.classes}")
        if len(self.classes) == 1 or len(self.classes) > 255:
            raise ValueError("classes: give 2 to 255 names (the background is a class too), or none")
        if self.pixel_size and isinstance(self.source, VolumeSource) and self.source.spacing:
            raise ValueError("pixel_size: the volumes are resampled, so that spacing: says it; remove pixel_size:")
        unknown = sorted(self.source.class_names() - set(self.classes))
        if unknown:
            raise ValueError(f"the labels name {', '.join(unknown)}, which classes: does not list")
        by_folders = isinstance(self.source, ImageSource) and self.source.train is not None
        if self.split.strategy == "given" and not by_folders and self.split.lists is None:
            raise ValueError("split: strategy given needs lists:, or a source with train:, validation: and test:")
        return self

    @model_validator(mode="after")
    def _check_unions(self) -> Self:
        for name, members in self.unions.items():
            unknown = sorted(set(members) - set(self.classes))
            if unknown:
                raise ValueError(f"unions.{name}: {', '.join(unknown)} is not among classes:, {self.classes}")
            if not name or name in self.classes:
                raise ValueError(f"unions: '{name}' is the name of a class, or none; give the union one of its own")
            if len(set(members)) < max(len(members), 2) or len(members) == len(self.classes):
                raise ValueError(f"unions.{name}: name two classes or more, each once, and not all there are")
        return self

    @model_validator(mode="after")
    def _check_reconstructions(self) -> Self:
        for name, scan in self.scan_files().items():
            try:
                self.reconstruction(name)
            except ValidationError as error:
                first = error.errors(include_url=False)[0]
                place = ".".join(map(str, [name, "reconstruction", *first["loc"]]))
                raise ValueError(f"scans.{place}: {first['msg']}, not {scan.reconstruction}") from None
        return self

    def scans(self) -> dict[str, ScanFiles | SimulationSettings]:
        """Return name to settings of each scan of a scan or simulation source; empty for the others."""
        if isinstance(self.source, SimulationSource):
            return dict(self.source.scans)
        return dict(self.scan_files())

    def scan_source(self, scan: str) -> RawScan:
        """Return what ``readers.open_scan`` takes of a scan, which is not simulated."""
        files = self.scan_files()[scan].model_dump(mode="json")
        return RawScan.model_validate({key: files[key] for key in RawScan.model_fields if key in files})

    def scan_patterns(self, scan: str) -> dict[str, list[str]]:
        """Return the paths and patterns of the files that a scan's reconstruction reads, by key."""
        source, angles = self.scan_source(scan), self.reconstruction(scan).angles
        return (source if angles is None else source.model_copy(update={"angles": angles})).patterns()

    def scan_files(self) -> dict[str, ScanFiles]:
        """Return name to files of each scan of a scan source."""
        if not isinstance(self.source, ScanSource):
            return {}
        if self.source.scans is not None:
            return self.source.scans
        stem = re.sub(r"[^a-z0-9_-]+", "-", Path(str(self.source.projections)).stem.lower()).strip("-_") or "scan"
        keys = {"projections", *ScanParts.model_fields}
        return {stem: ScanFiles.model_construct(**{key: getattr(self.source, key) for key in keys})}

    def has_labels(self) -> bool:
        """Tell whether the dataset can train and score models."""
        source = self.source
        if isinstance(source, SimulationSource):
            return True
        if isinstance(source, ScanSource):
            return any(scan.labels for scan in self.scan_files().values())
        if isinstance(source, VolumeSource) and source.volumes is not None:
            named = source.volumes.values() if isinstance(source.volumes, dict) else [source.volumes]
            return any(files.labels for files in named)
        if isinstance(source, ImageSource) and source.train is not None:
            return source.train.labels is not None
        return source.labels is not None

    def reconstruction(self, scan: str) -> ReconstructionSettings:
        """Return the settings of a scan's reconstruction: the dataset's with the scan's own put in."""
        assert isinstance(self.source, (ScanSource, SimulationSource))
        settings = self.source.reconstruction.model_dump(mode="json")
        files = self.scan_files().get(scan)
        changes = files.reconstruction if files else {}
        if files and files.angles is not None:
            settings["angles"] = None  # those of the scan itself are nearer
        return ReconstructionSettings.model_validate({**settings, **changes})

    def denoising(self) -> list[Chosen]:
        """Return the steps of denoising."""
        assert isinstance(self.source, (ScanSource, SimulationSource))
        return list(self.source.denoising)

    def formats(self) -> list[Chosen]:
        """Return the formats, beside Zarr, that the volumes of its scans are written in."""
        return list(self.source.formats) if isinstance(self.source, (ScanSource, SimulationSource)) else []

    def stack_source(self) -> ImageSource | VolumeSource | ScanLabels:
        """Return what the stack depends on: the source without what stages before it have done."""
        source = self.source
        if isinstance(source, ImageSource | VolumeSource):
            return source
        mapping = {key: getattr(source, key) for key in LabelMapping.model_fields}
        return ScanLabels.model_construct(kind=source.kind, **mapping)
