"""Which source files a stage depends on, found by reading imports, so that an edit reruns what it concerns."""

import ast
import os
from functools import cache
from pathlib import Path

_PACKAGE = Path(__file__).parent
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


def script_modules(script: Path) -> list[str]:
    """List what a script of the workflow imports from the package, also within functions, and what surrounds every job.

    The adapter itself is left out: it changes no output.
    """
    return [*(name for name in _names(script) if not name.startswith("scan2seg.adapter")), *_AROUND]


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
    """Return the dotted names that a file imports from the package."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return sorted(name for name in names if name.startswith("scan2seg."))


def _locate(module: str) -> list[Path]:
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
    return found
