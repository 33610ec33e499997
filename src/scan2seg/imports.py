"""Which source files a stage depends on, found by reading imports, so that an edit reruns what it concerns."""

import os
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

_PACKAGE = Path(__file__).parent
_IMPORT = re.compile(
    r"^[ \t]*(?:from[ \t]+(?P<module>scan2seg[\w.]*)[ \t]+import[ \t]+(?P<names>\([^)]*\)|[^\n]*)"
    r"|import[ \t]+(?P<plain>scan2seg[^\n]*))",
    re.MULTILINE,
)
_AROUND = ("scan2seg.logging", "scan2seg.provenance", "scan2seg.replacement")


def source_files(*modules: str) -> list[str]:
    """List the package's files that the modules import, transitively and with imports inside functions.

    Plugins are found by name at run time, so a rule names the ones it uses beside its function's module.

    Args:
        modules: dotted names such as ``scan2seg.denoising.scan``.

    Returns:
        Sorted paths, relative to the working folder.
    """
    found: set[Path] = set()
    waiting = [path for module in modules for path in _locate(module)]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting.extend(_imported(path))
    return sorted(os.path.relpath(path) for path in found)


@cache
def script_modules(script: Path) -> tuple[str, ...]:
    """List what a script of the workflow imports from the package, also within functions, and what surrounds every job.

    The adapter itself is left out: it changes no output.
    """
    return (*(name for name in _names(script) if not name.startswith("scan2seg.adapter")), *_AROUND)


def share_source() -> None:
    """Let the scripts that Snakemake starts import the package from this folder, whichever environment they run in."""
    rest = [part for part in os.environ.get("PYTHONPATH", "").split(os.pathsep) if part]
    folder = str(_PACKAGE.parent)
    if folder not in rest:
        os.environ["PYTHONPATH"] = os.pathsep.join([folder, *rest])


@cache
def _imported(path: Path) -> tuple[Path, ...]:
    return tuple(file for name in _names(path) for file in _locate(name))


def _names(path: Path) -> list[str]:
    """Return the dotted names that a file imports from the package.

    Imports are matched, not parsed: every start of the workflow reads most of the package, and parsing takes thirty
    times as long. A line of a text that looks like an import counts as one: a stage depends on more then, not on less.
    """
    found = {name for match in _IMPORT.finditer(path.read_text("utf-8")) for name in _imported_names(match)}
    return sorted(name for name in found if name.startswith("scan2seg."))


def _imported_names(match: re.Match[str]) -> Iterator[str]:
    words = re.sub(r"#[^\n]*|[()]", "", match["names"] or match["plain"])
    for part in filter(str.strip, words.split(",")):
        name = part.split()[0]
        yield f"{match['module']}.{name}" if match["module"] else name


@cache
def _locate(module: str) -> tuple[Path, ...]:
    """Return the file of a module, or of the module that holds the name, and the packages it is in.

    The package's own ``__init__`` holds the version alone and is left out: a release need not rerun everything.
    """
    parts = module.split(".")[1:]
    found: list[Path] = []
    for depth in range(1, len(parts) + 1):
        place = _PACKAGE.joinpath(*parts[:depth])
        for candidate in (place / "__init__.py", place.with_suffix(".py")):
            if candidate.is_file():
                found.append(candidate)
    return tuple(found)
