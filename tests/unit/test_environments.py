"""The conda file and the lock name the same direct dependencies as pyproject.toml."""

import ast
import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
CONDA_NAMES = {"torch": "pytorch", "dask": "dask-core", "matplotlib": "matplotlib-base"}


def direct() -> dict[str, str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pairs = (re.fullmatch(r"([\w-]+)(?:\[\w+\])?(.*)", line) for line in project["dependencies"])
    return {pair[1]: pair[2] for pair in pairs if pair}


def test_conda_names_the_same_direct_dependencies() -> None:
    listed = yaml.safe_load((ROOT / "envs" / "environment.yaml").read_text())["dependencies"]
    found = dict(re.fullmatch(r"([\w-]+)(.*)", line).groups() for line in listed)
    assert found.pop("tomopy")
    assert found.pop("python") == ">=3.11,<3.14"
    assert found == {CONDA_NAMES.get(name, name): version for name, version in direct().items()}


@pytest.mark.parametrize("stage", ["reconstruct", "prepare", "train", "report"])
def test_the_environment_of_a_stage_is_a_part_of_the_whole(stage: str) -> None:
    whole = yaml.safe_load((ROOT / "envs" / "environment.yaml").read_text())["dependencies"]
    part = yaml.safe_load((ROOT / "envs" / f"{stage}.yaml").read_text())["dependencies"]
    assert part and not set(part) - set(whole)


def test_the_lock_pins_every_direct_dependency_with_hashes_and_names_no_host() -> None:
    text = (ROOT / "envs" / "requirements.lock").read_text()
    pinned = set(re.findall(r"^([\w-]+)(?:\[\w+\])?==", text, re.MULTILINE))
    assert set(direct()) <= pinned
    assert text.count("--hash=sha256:") > len(pinned)
    assert "://" not in text and "index-url" not in text


def test_every_direct_dependency_has_its_reason() -> None:
    reasons = (ROOT / "docs" / "dependencies.md").read_text()
    assert not [name for name in direct() if f"| {name} |" not in reasons]


def imported(tree: ast.AST) -> Iterator[str]:
    """Name the modules that a file imports, anywhere in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            yield from (
                each.value for each in node.args if isinstance(each, ast.Constant) and isinstance(each.value, str)
            )


def importers() -> dict[str, set[str]]:
    """Return the files of the package that import each distribution of the environment."""
    known = {
        name: {re.sub("[_.]", "-", each).lower() for each in all_} for name, all_ in packages_distributions().items()
    }
    source, found = ROOT / "src" / "scan2seg", dict[str, set[str]]()
    for path in source.rglob("*.py"):
        for module in imported(ast.parse(path.read_text("utf-8"))):
            for name in known.get(module.partition(".")[0], ()):
                found.setdefault(name, set()).add(path.relative_to(source).as_posix())
    return found


def test_every_dependency_is_imported_where_its_row_says() -> None:
    page, files = (ROOT / "docs" / "dependencies.md").read_text(), importers()
    rows = dict(re.findall(r"^\| ([\w-]+) \| .* \| (.*) \|$", page, re.MULTILINE))
    for name in direct():
        places, found = re.findall(r"`(.+?)`", rows[name]), files.get(name, set())
        if rows[name] == "everywhere":
            assert len({file.partition("/")[0] for file in found}) >= 8, name
            continue
        assert (not found) == rows[name].startswith("nowhere: "), (name, found)
        within = {
            place: {file for file in found if file == place or file.startswith(f"{place}/")}
            for place in (place.removesuffix("/") for place in places)
        }
        assert all(within.values()) and set().union(*within.values()) == found, (name, found, places)


def test_what_is_imported_is_a_dependency_or_named_as_one_of_theirs() -> None:
    page = (ROOT / "docs" / "dependencies.md").read_text()
    (named,) = re.findall(r"^Imported too, .*?: (.*?)\.$", page, re.MULTILINE | re.DOTALL)
    others = set(re.findall(r"([\w-]+) \((?:\w|-)+\)", named))
    # parts of one library that are distributions of their own; napari and bioimageio are optional
    parts = {"mlflow-skinny", "mlflow-tracing", "scan2seg", "napari", "bioimageio-core", "bioimageio-spec"}
    assert set(importers()) - set(direct()) - parts == others


def test_the_container_is_made_from_the_lock_with_its_hashes_and_a_python_that_the_package_takes() -> None:
    text = (ROOT / "envs" / "scan2seg.def").read_text()
    (source, target) = re.search(r"%files\n\s+(\S+) (\S+)", text).groups()  # type: ignore[union-attr]
    assert source == "envs/requirements.lock" and (ROOT / source).is_file()
    assert f"--require-hashes --requirement {target}" in text
    minor = int(re.search(r"From: python:3\.(\d+)", text)[1])  # type: ignore[index]
    assert 11 <= minor < 14
    assert "://" not in text
