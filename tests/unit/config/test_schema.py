"""The generated files are the ones in the repository, and the pages name keys and files that exist."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from scan2seg.config.schema import make_reference, make_schema

ROOT = Path(__file__).parents[3]
CONFIG = ROOT / "config"
EXAMPLES = {"config/datasets/mine.yaml", "config/datasets/my_slices.yaml", "config/experiments/mine.yaml"}
"""What a reader of the pages writes."""
NOT_SETTINGS = {"config", "params"}
"""Words before a colon that are Snakemake's."""


def test_schema_and_reference_are_up_to_date() -> None:
    message = "stale: run `scan2seg schema --write config`"
    assert json.loads((CONFIG / "schema.json").read_text()) == json.loads(json.dumps(make_schema())), message
    assert (CONFIG / "README.md").read_text() == make_reference(), message


def test_every_key_has_a_meaning() -> None:
    for name, part in make_schema()["$defs"].items():
        for key, item in part.get("properties", {}).items():
            assert item.get("description") or "const" in item or "$ref" in item, f"{name}.{key} has no docstring"


def test_keys_and_shipped_files_that_the_pages_name_are_there() -> None:
    schema = (CONFIG / "schema.json").read_text("utf-8")
    pages = [*(ROOT / "docs").glob("*.md"), ROOT / "README.md", ROOT / "CHANGELOG.md"]
    text = "".join(page.read_text("utf-8") for page in pages)
    keys = set(re.findall(r"`([a-z_]+):(?: [^`]*)?`", text))
    assert len(keys) > 30 and {key for key in keys if f'"{key}"' not in schema} <= NOT_SETTINGS
    files = set(re.findall(r"\bconfig/(?:datasets|models|experiments)/\w+\.yaml\b", text))
    assert {file for file in files if not (ROOT / file).exists()} <= EXAMPLES


def test_no_key_or_choice_is_a_word_that_yaml_reads_as_another_thing() -> None:
    def words(part: Any) -> Iterator[str]:
        if isinstance(part, dict):
            yield from part.get("properties", {})
            yield from (choice for choice in part.get("enum", []) if isinstance(choice, str))
        for inner in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
            yield from words(inner)

    # on, off, yes and no are truth values, with which nobody could write such a key
    assert {word for word in words(make_schema()) if yaml.safe_load(word) != word} == set()
