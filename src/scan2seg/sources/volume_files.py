"""The files of volumes, however they lie: named one by one, a folder a volume, or all images and all labels apart."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from scan2seg.config.volumes import VolumeFiles, VolumeSource
from scan2seg.errors import InputError
from scan2seg.logging import info, warn
from scan2seg.readers.images import SUFFIXES
from scan2seg.readers.volumes import suffixes
from scan2seg.sources import find_files
from scan2seg.sources.matching import match

_CHANNEL = re.compile(r"(.+)_(\d{4})")
"""nnU-Net's name of a file: case, and number of the channel."""


@dataclass(frozen=True)
class Files:
    """The files of one volume: of each channel, and of the labels, a single file or the slices in their order."""

    channels: list[list[Path]]
    labels: list[Path] | None

    def paths(self) -> list[Path]:
        """Return all of them."""
        return [path for paths in (*self.channels, self.labels or []) for path in paths]


def find_volumes(source: VolumeSource) -> dict[str, Files]:
    """Find the files of each volume, by its name.

    Raises:
        InputError: a pattern matches nothing, or images and labels do not match.
    """
    if isinstance(source.volumes, VolumeFiles):
        found = _find_cases(source.volumes, source)
    elif source.volumes is not None:
        found = {name: _find_named(files, f"source.volumes.{name}") for name, files in source.volumes.items()}
    else:
        found = _find_folders(source)
    return {name: _match_slices(name, files, source) for name, files in found.items()}


def _find_named(files: VolumeFiles, key: str) -> Files:
    channels = [_expand(find_files(pattern, f"{key}.images")) for pattern in as_list(files.images)]
    return Files(channels, _expand(find_files(files.labels, f"{key}.labels")) if files.labels else None)


def _find_folders(source: VolumeSource) -> dict[str, Files]:
    folders = [folder for folder in find_files(str(source.folders), "source.folders") if folder.is_dir()]
    if not folders:
        raise InputError(f"source.folders: '{source.folders}' matches no folder")
    found: dict[str, Files] = {}
    lacking: list[str] = []
    for folder in folders:
        files = VolumeFiles(
            images=[str(folder / pattern) for pattern in as_list(source.images or [])],
            labels=str(folder / source.labels) if source.labels else None,
        )
        if folder.name in found:
            raise InputError(f"source.folders: two folders are named '{folder.name}'; names must differ")
        try:
            found[folder.name] = _find_named(files, "source")
        except InputError:
            if source.unmatched != "skip":
                raise
            lacking.append(folder.name)
    if lacking and found:
        warn("source.folders: left out for a file of theirs is missing: %s", ", ".join(lacking))
    return found if found else {folders[0].name: _find_named(files, "source")}


def _find_cases(files: VolumeFiles, source: VolumeSource) -> dict[str, Files]:
    """Take each match as a volume, or as a channel of one; match them by the name of the case."""
    key = "source.volumes"
    patterns = as_list(files.images)
    labels = _by_case(find_files(files.labels, f"{key}.labels"), f"{key}.labels") if files.labels else None
    images = [_by_case(find_files(pattern, f"{key}.images"), f"{key}.images") for pattern in patterns]
    cases = {name: [path] for name, path in images[0].items()}
    for pattern, more in zip(patterns[1:], images[1:], strict=True):
        joined = match(cases, more, f"{key}.images ({pattern})", unmatched=source.unmatched)
        cases = {name: [*paths, path] for name, (paths, path) in joined.items()}
    if len(patterns) == 1:
        cases = _join_channels(cases, labels)
    if labels is None:
        return {name: Files([_expand([path]) for path in paths], None) for name, paths in cases.items()}
    pairs = match(cases, labels, key, source.label_suffix, source.unmatched)
    return {
        name: Files([_expand([path]) for path in paths], _expand([label])) for name, (paths, label) in pairs.items()
    }


def _join_channels(cases: dict[str, list[Path]], labels: dict[str, Path] | None) -> dict[str, list[Path]]:
    """Join files such as CASE_0000 and CASE_0001 to one volume with two channels.

    They are channels where every name ends so and no label has the number, or, without labels, where every case has
    a channel 0000 and there are several cases.
    """
    parts = {name: split_channel(name) for name in cases}
    numbered = any(label.startswith(name) for label in labels or () for name in cases)
    if not all(parts.values()) or numbered:
        return cases
    joined: dict[str, dict[str, Path]] = {}
    for name, part in parts.items():
        assert part is not None
        joined.setdefault(part[0], {})[part[1]] = cases[name][0]
    if labels is None and (len(joined) == 1 or not all("0000" in channels for channels in joined.values())):
        return cases
    numbers = max((set(channels) for channels in joined.values()), key=len)
    odd = [name for name, channels in joined.items() if set(channels) != numbers]
    if odd:
        wanted = ", ".join(sorted(numbers))
        raise InputError(f"source.volumes.images: {odd[0]} has not the channels {wanted} as others have; add its files")
    shown = ", ".join(f"_{number}" for number in sorted(numbers))
    info("source.volumes: %d volumes; the end of the file names is the channel (%s)", len(joined), shown)
    return {name: [channels[number] for number in sorted(channels)] for name, channels in joined.items()}


def _by_case(paths: Sequence[Path], key: str) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in paths:
        name = case_name(path)
        if name in found:
            raise InputError(f"{key}: {found[name]} and {path} have the same name; give them different ones")
        found[name] = path
    return found


def case_name(path: Path) -> str:
    """Return the name without the ending of its format, of any length (.nii.gz) and in any case."""
    ends = [end for end in (*suffixes(), *SUFFIXES) if path.name.lower().endswith(end)]
    return path.name[: -len(max(ends, key=len))] if ends else path.name


def split_channel(name: str) -> tuple[str, str] | None:
    """Return case and number of a name such as CASE_0001; None of another name."""
    found = _CHANNEL.fullmatch(name)
    return (found[1], found[2]) if found else None


def _expand(paths: list[Path]) -> list[Path]:
    """Replace a folder of slices by them."""
    if len(paths) != 1 or not paths[0].is_dir() or paths[0].name.lower().endswith(tuple(suffixes())):
        return paths
    inside = find_files(f"{_escape(paths[0])}/*", "source")
    slices = [path for path in inside if path.suffix.lower() in SUFFIXES]
    if not slices:
        raise InputError(f"{paths[0]}: holds no slices ({', '.join(SUFFIXES)})")
    return slices


def as_folder(paths: Sequence[Path]) -> Path:
    """Return what is named for a volume's channel: its file, or the folder whose images are its slices.

    Raises:
        InputError: the folder holds other images too.
    """
    if len(paths) == 1:
        return paths[0]
    folder = paths[0].parent
    if set(_expand([folder])) != set(paths):
        raise InputError(f"{folder}: holds other images beside the slices of the volume; move them to another folder")
    return folder


def _escape(path: Path) -> str:
    from glob import escape

    return escape(str(path))


def _match_slices(name: str, files: Files, source: VolumeSource) -> Files:
    """Match the slices of labels to those of the images by the last number in their names."""
    images, labels = files.channels[0], files.labels
    if labels is None or len(images) == 1 or len(labels) == 1:
        return files
    mine, theirs = _by_number(images), _by_number(labels)
    if mine is None or theirs is None or (len(mine) == len(theirs) and set(mine) != set(theirs)):
        if len(images) == len(labels):
            warn(
                "source: slices of %s are matched in order, not by name: %s with %s",
                name,
                images[0].name,
                labels[0].name,
            )
            return files
        raise InputError(f"source: {name} has {len(images)} slices but {len(labels)} label slices; number them alike")
    kept = list(match(mine, theirs, f"source: slices of {name}", "", source.unmatched))
    channels = []
    for paths in files.channels:
        numbered = _by_number(paths) or {}
        if not set(kept) <= set(numbered):
            raise InputError(f"source: the channels of {name} have slices of other numbers; number them alike")
        channels.append([numbered[number] for number in kept])
    return Files(channels, [theirs[number] for number in kept])


def _by_number(paths: list[Path]) -> dict[str, Path] | None:
    """Return the files by the last number in their names; None where it does not tell them apart."""
    found = {str(int(numbers[-1])): path for path in paths if (numbers := re.findall(r"\d+", path.stem))}
    return found if len(found) == len(paths) else None


def as_list(value: str | list[str]) -> list[str]:
    """Return a list of patterns, of which a single one may stand alone."""
    return [value] if isinstance(value, str) else list(value)
