"""The groups of images: patients, samples or volumes that a split must not part."""

import csv
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from scan2seg.config.groups import FOLDER, PLACE, Groups, GroupTable
from scan2seg.errors import InputError, refuse_pipe
from scan2seg.sources import Item


def assign_groups(items: Sequence[Item], images: Sequence[Path], groups: Groups | None) -> list[Item]:
    """Give each image its group; without groups each is one of its own.

    Args:
        items: the images.
        images: the file of each.
        groups: ``folder``, the name of the file's folder; a pattern of the path's end without suffix, in which
            ``{group}`` stands for the group (as few characters as fit), ``*`` for anything and ``?`` for one
            character of a name; or a table.

    Raises:
        InputError: images that the pattern does not fit or the table does not name, or a table that cannot be read.
    """
    if groups is None:
        return [replace(item, group=item.name) for item in items]
    if isinstance(groups, GroupTable):
        named: dict[Path, str | None] = dict(_read_groups(groups, images))
        source = str(groups.file)
    elif groups == FOLDER:
        named, source = {image: image.absolute().parent.name for image in images}, groups
    else:
        pattern = _compile(groups)
        fits = {image: pattern.fullmatch(image.absolute().with_suffix("").as_posix()) for image in images}
        named, source = {image: fit.group(1) if fit else None for image, fit in fits.items()}, groups
    missing = [image for image, group in named.items() if not group]
    if missing:
        shown = ", ".join(str(image) for image in missing[:5])
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        raise InputError(f"source.groups: '{source}' gives no group for {shown}{more}; correct it or leave them out")
    return [replace(item, group=str(named[image])) for item, image in zip(items, images, strict=True)]


def _compile(pattern: str) -> re.Pattern[str]:
    words = {"*": "[^/]*", "?": "[^/]", PLACE: "([^/]+?)"}
    pieces = re.split(r"(\*|\?|\{group\})", pattern)
    return re.compile("(?:.*/)" + "".join(words.get(piece, re.escape(piece)) for piece in pieces))


def _read_groups(table: GroupTable, images: Sequence[Path]) -> dict[Path, str | None]:
    rows = _read_rows(table)
    found: dict[Path, str | None] = {}
    owner: dict[str, Path] = {}
    for image in images:
        name = next((name for name in _names(image) if name in rows), None)
        found[image] = rows[name] if name is not None else None
        if name is not None and owner.setdefault(name, image) != image:
            raise InputError(
                f"{table.file}: '{name}' stands for {owner[name]} and for {image}; write the folders of the images too"
            )
    return found


def _names(image: Path) -> list[str]:
    """List what a table may call an image: the longest end of its path first."""
    parts = image.absolute().parts
    ends = ["/".join(parts[start:]) for start in range(1, len(parts))]
    return [name for end in ends for name in (end, end.removesuffix(image.suffix))]


def _read_rows(table: GroupTable) -> dict[str, str]:
    path = Path(table.file)
    refuse_pipe(path, "source.groups.file")
    try:
        lines = path.read_text("utf-8-sig").splitlines()
        separator = max(",;\t", key=lines[0].count) if lines else ","
        reader = csv.DictReader(lines, delimiter=separator)
        columns = [name or "" for name in reader.fieldnames or []]
        for column in (table.image, table.group):
            if column not in columns:
                raise InputError(
                    f"{path}: has no column '{column}', but {', '.join(columns) or 'none'}; "
                    "name them with source.groups.image and source.groups.group"
                )
        rows: dict[str, str] = {}
        for row in reader:
            name, group = ((row[column] or "").strip() for column in (table.image, table.group))
            name = name.replace("\\", "/").removeprefix("./")
            if name and rows.setdefault(name, group) != group:
                raise InputError(f"{path}: '{name}' is in two groups, '{rows[name]}' and '{group}'")
        return rows
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read as a CSV file: {error}") from None
