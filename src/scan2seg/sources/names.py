"""The names by which files are matched: their stems, with the folders before them where stems repeat."""

import re
from collections.abc import Sequence
from pathlib import Path

from scan2seg.errors import InputError


def name_files(*lists: tuple[str, Sequence[Path]]) -> list[dict[str, Path]]:
    """Name the files that each pattern matches, so that like names belong together; the order stays.

    A name is the file's stem. Where a stem stands twice, as ``P1/001.png`` and ``P2/001.png``, what the wildcards of
    the pattern's folders match stands before it in all lists: ``P1/001`` of both ``images/*/*.png`` and
    ``labels/*/*.png``.

    Raises:
        InputError: two files of a list have the same name.
    """
    stems = [{path.stem: path for path in paths} for _, paths in lists]
    if all(len(named) == len(paths) for named, (_, paths) in zip(stems, lists, strict=True)):
        return stems
    return [_name_by_folder(pattern, paths) for pattern, paths in lists]


def _name_by_folder(pattern: str, paths: Sequence[Path]) -> dict[str, Path]:
    folders = re.compile(_folder_expression(pattern))
    named: dict[str, Path] = {}
    for path in paths:
        found = folders.match(f"{path.parent.as_posix()}/")
        parts = [part.strip("/") for part in found.groups() if part.strip("/")] if found else []
        name = "/".join([*parts, path.stem])
        if name in named:
            raise InputError(f"'{pattern}': {named[name]} and {path} have the same name; rename one or leave one out")
        named[name] = path
    return named


def _folder_expression(pattern: str) -> str:
    """Return a regular expression for the folder of a matched path, with a group for each wildcard."""
    folder = Path(pattern).parent.as_posix()
    expression = ""
    for piece in re.split(r"(\*\*/?|\*|\?|\[[^\]]*\])", f"{folder}/"):
        if piece.startswith("**"):
            expression += "((?:[^/]+/)*)"
        elif piece in ("*", "?"):
            expression += f"([^/]{'' if piece == '?' else '*'})"
        elif piece.startswith("["):
            expression += f"({piece.replace('[!', '[^')})"
        else:
            expression += re.escape(piece)
    return f"{expression}$"
