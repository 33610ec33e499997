"""Reading YAML: safe, and no key twice."""

from pathlib import Path
from typing import Any

import yaml

from scan2seg.config.problems import ConfigurationError, Problem


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
    return content


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
