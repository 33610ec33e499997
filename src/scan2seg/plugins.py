"""Plugins are files: a folder is a kind, a file that defines ``Params`` is a plugin, its stem is its name.

Nothing is registered anywhere. A kind is the dotted path of a folder below the package, such as
``denoising`` or ``readers.scans``. Folders may hold helper modules too: they define no ``Params``.
Listing reads text only, so that a login node without torch can check a configuration.
"""

import ast
import difflib
import importlib
import re
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from scan2seg.errors import InputError

_PACKAGE = Path(__file__).parent
_DEFINES_PARAMS = re.compile(r"^class Params\b|^from \S+ import .*\bParams\b", re.MULTILINE)


@cache
def names(kind: str) -> tuple[str, ...]:
    """List the plugins of a kind, in alphabetical order, without importing one."""
    folder = _PACKAGE.joinpath(*kind.split("."))
    return tuple(sorted(path.stem for path in folder.glob("*.py") if _DEFINES_PARAMS.search(path.read_text("utf-8"))))


def load(kind: str, name: str) -> ModuleType:
    """Import one plugin.

    Raises:
        InputError: no plugin of this kind has the name; the message lists the choices.
    """
    if name not in names(kind):
        raise InputError(unknown(f"{kind} plugin", name, names(kind)))
    return importlib.import_module(module_name(kind, name))


@cache
def constant(kind: str, name: str, constant: str) -> Any:
    """Read a literal that a plugin assigns, such as the suffixes that it takes, without importing it.

    Raises:
        KeyError: the plugin assigns no literal of that name.
    """
    path = _PACKAGE.joinpath(*kind.split("."), f"{name}.py")
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.Assign) and any(getattr(target, "id", "") == constant for target in node.targets):
            return ast.literal_eval(node.value)
    raise KeyError(f"{path}: {constant}")


def module_name(kind: str, name: str) -> str:
    """Return the dotted name of the module that is the plugin."""
    return f"scan2seg.{kind}.{name}"


def unknown(what: str, name: str, choices: tuple[str, ...]) -> str:
    """Word the message for a name that is not among the choices, with the nearest one."""
    near = difflib.get_close_matches(name, choices, n=1)
    hint = f"did you mean '{near[0]}'? " if near else ""
    return f"unknown {what} '{name}': {hint}choose one of {', '.join(choices)}"
