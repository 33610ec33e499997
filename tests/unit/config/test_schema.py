"""The generated files are the ones in the repository."""

import json
from pathlib import Path

from scan2seg.config.schema import make_reference, make_schema

CONFIG = Path(__file__).parents[3] / "config"


def test_schema_and_reference_are_up_to_date() -> None:
    message = "stale: run `scan2seg schema --write config`"
    assert json.loads((CONFIG / "schema.json").read_text()) == json.loads(json.dumps(make_schema())), message
    assert (CONFIG / "README.md").read_text() == make_reference(), message


def test_every_key_has_a_meaning() -> None:
    for name, part in make_schema()["$defs"].items():
        for key, item in part.get("properties", {}).items():
            assert item.get("description") or "const" in item or "$ref" in item, f"{name}.{key} has no docstring"
