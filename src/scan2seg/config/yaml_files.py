"""Reading YAML: safe, no key twice, and within bounds, so that no file can take the time or memory of the machine."""

import math
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from yaml.composer import Composer
from yaml.constructor import SafeConstructor
from yaml.resolver import Resolver

from scan2seg.config.problems import ConfigurationError, Problem

if yaml.__with_libyaml__:
    from yaml._yaml import CParser

LONGEST_FILE = 256 * 1024
"""Bytes of a file; a long configuration has some thousand."""
MOST_VALUES, DEEPEST, LONGEST_TEXT, LARGEST_NUMBER = 20_000, 30, 10_000, 2**32
"""Values of a file with all aliases followed, levels of nesting, characters of a text, and whole numbers: seeds go up
to 2**32."""


if TYPE_CHECKING or not yaml.__with_libyaml__:
    _SafeLoader = yaml.SafeLoader
else:

    class _SafeLoader(Composer, CParser, SafeConstructor, Resolver):
        """A safe loader whose text is read by libyaml, five times as fast; what it builds is built here."""

        def __init__(self, text: str) -> None:
            CParser.__init__(self, text)
            Composer.__init__(self)
            SafeConstructor.__init__(self)
            Resolver.__init__(self)


class _Loader(_SafeLoader):
    """A safe loader that refuses the same key twice, and stops at what cannot be a configuration."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.nodes = self.depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        self.nodes, self.depth = self.nodes + 1, self.depth + 1
        if self.nodes > MOST_VALUES or self.depth > DEEPEST:
            line = self.peek_event().start_mark.line + 1  # type: ignore[no-untyped-call]
            raise yaml.YAMLError(f"line {line}: {_TOO_DEEP if self.depth > DEEPEST else _TOO_MANY}")
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ValueError, TypeError, OverflowError, AttributeError):
            line, text = node.start_mark.line + 1, str(node.value)[:20]
            raise yaml.YAMLError(f"line {line}: '{text}' cannot be read as a number or a date") from None

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        merged = [value for key, value in node.value if key.tag == "tag:yaml.org,2002:merge"]
        if any(isinstance(value, yaml.SequenceNode) and len(value.value) > 10 for value in merged):
            raise yaml.YAMLError(f"line {node.start_mark.line + 1}: <<: takes at most 10 mappings")
        super().flatten_mapping(node)
        if len(node.value) > MOST_VALUES:
            raise yaml.YAMLError(f"line {node.start_mark.line + 1}: {_TOO_MANY}")

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, (str, int, float)):
                if key in seen:
                    line = key_node.start_mark.line + 1
                    raise yaml.YAMLError(f"line {line}: the key '{str(key)[:60]}' stands twice; remove one")
                seen.add(key)
        return super().construct_mapping(node, deep)


_TOO_MANY = f"holds more than {MOST_VALUES} values, aliases followed; shorten it"
_TOO_DEEP = f"is nested more than {DEEPEST} levels deep; no key needs so many"


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML file that holds a mapping.

    Raises:
        ConfigurationError: the file is missing, no regular file, not YAML, too large, or holds no mapping.
    """
    text = _read_text(path)
    try:
        content = yaml.load(text, Loader=_Loader)
    except (yaml.YAMLError, RecursionError) as error:
        reason = _TOO_DEEP if isinstance(error, RecursionError) else str(error)
        raise ConfigurationError([Problem(str(path), "", f"is not valid YAML: {reason}")]) from None
    if not isinstance(content, dict):
        raise ConfigurationError([Problem(str(path), "", "must hold `key: value` lines")])
    check_content(content, path)
    return content


def _read_text(path: Path) -> str:
    """Read a regular file; a pipe or a device would be waited for, or never end."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            reason = "is a folder, a pipe or a device; name a YAML file"
            raise ConfigurationError([Problem(str(path), "", reason)])
        with path.open("rb") as file:
            content = file.read(LONGEST_FILE + 1)
        if len(content) > LONGEST_FILE:
            reason = f"is longer than {LONGEST_FILE // 1024} kB; is it the right file?"
            raise ConfigurationError([Problem(str(path), "", reason)])
        return content.decode("utf-8")
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigurationError([Problem(_short(str(path)), "", f"cannot be read ({reason})")]) from None
    except ValueError as error:
        # no UTF-8, or a name with a zero byte
        raise ConfigurationError([Problem(_short(str(path)), "", f"is not valid YAML: {error}")]) from None


def check_content(content: dict[str, Any], path: Path | str) -> None:
    """Refuse content, from wherever it was read, that would take too long to check or cannot be worked with.

    Raises:
        ConfigurationError: too many values or levels, a number or text beyond all bounds, or no printable text.
    """
    waiting: list[tuple[Any, tuple[Any, ...]]] = [(content, ())]
    for _ in range(MOST_VALUES):
        if not waiting:
            return
        value, place = waiting.pop()
        reason = _TOO_DEEP if len(place) > DEEPEST else _refuse(value)
        if reason:
            key = ".".join(_short(str(part)) for part in place[:DEEPEST])
            raise ConfigurationError([Problem(str(path), key, reason)])
        if isinstance(value, dict):
            for key, item in value.items():
                waiting += [(key, place), (item, (*place, key))]
        elif isinstance(value, (list, tuple, set)):
            waiting += [(item, (*place, index)) for index, item in enumerate(value)]
    raise ConfigurationError([Problem(str(path), "", _TOO_MANY)])


def _refuse(value: Any) -> str:
    if isinstance(value, str):
        if len(value) > LONGEST_TEXT:
            return f"is a text of {len(value)} characters; at most {LONGEST_TEXT}"
        if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
            return "holds a character that no file name and no page can hold; remove it"
    elif isinstance(value, int) and abs(value) > LARGEST_NUMBER:
        return f"is a number beyond {LARGEST_NUMBER}; no key takes one so large"
    elif isinstance(value, float) and not math.isfinite(value):
        return "is no finite number"
    return ""


def _short(text: str) -> str:
    return text if len(text) <= 200 else text[:200] + "..."


def merge(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Return the base with the changes put in, key by key; a list or a value replaces the whole.

    A plugin whose ``method`` changes is replaced, for its other settings belong to the old method.
    """
    merged = dict(base)
    for key, value in changes.items():
        old = merged.get(key)
        if (
            isinstance(old, dict)
            and isinstance(value, dict)
            and old.get("method") == value.get("method", old.get("method"))
        ):
            merged[key] = merge(old, value)
        else:
            merged[key] = value
    return merged
