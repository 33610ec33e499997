"""What every stored thing has: a name for people, a key of all that decides its content, and what it depends on."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from scan2seg.documents import Json

KEY_LENGTH = 8
Kind = TypeVar("Kind", bound="Thing")


def make_key(content: Any) -> str:
    """Return the first 8 hexadecimal digits of the SHA-256 of JSON in one canonical form: equal content, equal key.

    Raises:
        TypeError: the content is not plain JSON, so that its text would not decide it.
    """
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()[:KEY_LENGTH]


@dataclass(frozen=True)
class Dependencies:
    """What makes a thing old when it changes: data files, and the package's modules, plugins by name included."""

    files: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    listing: str | None = None
    """A fingerprint of names and sizes, and of the times of what the workflow does not look at one by one."""


@dataclass(frozen=True)
class Thing:
    """Something that a stage makes and stores in ``NAME-KEY``.

    The name is that of the file that the settings come from. The key covers the resolved settings that decide the
    content and what it is made from: the keys, and the names where another file could have the same settings under
    another one, so that what lies in one place is always made from what lies in one place. Not covered are code, times
    and the contents of files: those decide when it is made again, not where it lies.
    """

    name: str

    @property
    def content(self) -> Json:
        """The resolved settings that decide the content, and what it is made from, as plain JSON."""
        raise NotImplementedError

    @property
    def parents(self) -> tuple["Thing", ...]:
        """The things that it is made from."""
        return ()

    @property
    def path(self) -> str:
        """The path of its main file or store, relative to the results folder."""
        raise NotImplementedError

    def dependencies(self) -> Dependencies:
        """Return the data files and source modules that it depends on, beside its parents."""
        raise NotImplementedError

    @cached_property
    def key(self) -> str:
        """The key of its content."""
        return make_key([type(self).__name__, self.content])

    @property
    def folder(self) -> str:
        """The name of its folder, ``NAME-KEY``."""
        return f"{self.name}-{self.key}"

    def nearest(self, kind: type[Kind]) -> Kind:
        """Return the nearest thing of a kind that it is made from."""
        return next(thing for thing in self.lineage() if isinstance(thing, kind))

    def lineage(self) -> Iterator["Thing"]:
        """Iterate over all that it is made from, nearest first, each once, itself included."""
        waiting: list[Thing] = [self]
        seen: set[str] = set()
        while waiting:
            thing = waiting.pop(0)
            if thing.path not in seen:
                seen.add(thing.path)
                yield thing
                waiting.extend(thing.parents)
