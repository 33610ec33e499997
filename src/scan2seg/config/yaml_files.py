"""Reading YAML: safe, with ``${NAME}`` from the environment, and no key twice."""

import os
import re
from pathlib import Path
from typing import Any

import yaml

from scan2seg.config.problems import ConfigurationError, Problem

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")


class _Loader(yaml.SafeLoader):
    """A safe loader that refuses the same key twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, (str, int, float)):
                if key in seen:
                    line = key_node.start_mark.line + 1
                    raise yaml.YAMLError(f"line {line}: the key '{key}' stands twice; remove one")
                seen.add(key)
        return super().construct_mapping(node, deep)


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML file that holds a mapping, with environment variables filled in.

    Raises:
        ConfigurationError: the file is missing, is not YAML, holds no mapping, or names an unset variable.
    """
    try:
        content = yaml.load(path.read_text("utf-8"), Loader=_Loader)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigurationError([Problem(str(path), "", f"cannot be read ({reason})")]) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigurationError([Problem(str(path), "", f"is not valid YAML: {error}")]) from None
    if not isinstance(content, dict):
        raise ConfigurationError([Problem(str(path), "", "must hold `key: value` lines")])
    return expand_variables(content, path)


def expand_variables(content: dict[str, Any], path: Path) -> dict[str, Any]:
    """Replace ``${NAME}`` and ``${NAME:-default}`` in every text of the content."""
    problems: list[Problem] = []

    def replace(value: Any, key: str) -> Any:
        if isinstance(value, dict):
            return {name: replace(item, f"{key}.{name}" if key else str(name)) for name, item in value.items()}
        if isinstance(value, list):
            return [replace(item, f"{key}.{index}") for index, item in enumerate(value)]
        return _VARIABLE.sub(lambda match: look_up(match, key, value), value) if isinstance(value, str) else value

    def look_up(match: re.Match[str], key: str, value: str) -> str:
        found = os.environ.get(match[1], match[2])
        if found is None:
            problems.append(Problem(str(path), key, f"set the environment variable {match[1]}", value))
        return found or ""

    expanded: dict[str, Any] = replace(content, "")
    if problems:
        raise ConfigurationError(problems)
    return expanded


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
