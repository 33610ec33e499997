"""Settings are parsed once, and what every stage shares is there once: walks over the source of the package."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import scan2seg

ROOT = Path(scan2seg.__file__).parent
RAW = re.compile(r"\b(Json|(dict|Mapping|MutableMapping)\[str, (Any|object)\])")
SETTINGS = re.compile(
    r"settings|recipe|params|parameters|job|model|source|inference|training|pretraining|patching|architecture|loss"
    r"|optimizer|schedule|augmentation|normalisation|weighting|reconstruction|denoising|split|published|space|study|options"
)
PARSERS = ("config/", "catalogue/", "reporting/gather.py")
"""Where settings are raw: they are read and made, or an adapter hands them over."""
RECORDS = {
    ("checkpoint.py", "_without_downloads"): "reads the architecture of a file",
    ("provenance.py", "record"): "writes them down",
    ("reporting/html.py", "_describe"): "shows them",
    ("reporting/tracking/loading.py", "predict"): "MLflow's own interface",
}
BOUNDARIES = (
    "training/worker.py",
    "reporting/tracking/loading.py",
    "inference/recorded_settings.py",
)
"""Other processes, other programs, and what a checkpoint or a prediction says of itself: there it arrives as text."""
NOT_A_LABEL = ("labels.py", "normalisation.py", "config/base.py", "config/dataset.py")
"""Here 255 is a grey value, the length of a name, or a number of classes."""

DEFINED = {"open_store": "storage.py", "choose_device": "device.py", "run_loop": "training/loop.py"}
CALLED = {
    "open_group": "storage.py",
    "device_count": "device.py",
    "create_study": "tuning/sampling.py",
    "Trainer": "training/loop.py",
}
"""Names to the one module that defines or calls them."""


def trees(root: Path = ROOT) -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(root.rglob("*.py")):
        yield path.relative_to(root).as_posix(), ast.parse(path.read_text("utf-8"))


def raw_settings(name: str, tree: ast.Module) -> Iterator[str]:
    """Yield the parameters that take settings as a raw mapping, and the places that parse them again."""
    if name.startswith(PARSERS):
        return
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and (name, node.name) not in RECORDS:
            for given in [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]:
                raw = given.annotation is not None and RAW.search(ast.unparse(given.annotation))
                if raw and SETTINGS.fullmatch(given.arg):
                    yield f"{name}: {node.name} takes {given.arg}: {ast.unparse(given.annotation)}"
        if isinstance(node, ast.Attribute) and node.attr.startswith("model_validate") and name not in BOUNDARIES:
            yield f"{name}:{node.lineno} parses settings below the adapter"


def ignore_written_out(name: str, tree: ast.Module) -> Iterator[str]:
    if name in (*NOT_A_LABEL, "ignore.py"):
        return
    for node in ast.walk(tree):
        if isinstance(node, (ast.BinOp, ast.Tuple)):  # a grey level or a colour
            continue
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Constant) and type(child.value) is int and child.value == 255:
                yield f"{name}:{child.lineno} writes IGNORE as 255"


def second_mechanisms(name: str, tree: ast.Module) -> Iterator[str]:
    """Yield what stands in one module and is made again in another."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and DEFINED.get(node.name, name) != name:
            yield f"{name}:{node.lineno} defines {node.name} again"
        if isinstance(node, ast.FunctionDef) and node.name == "open_volume" and not name.startswith("readers/volumes/"):
            yield f"{name}:{node.lineno} defines open_volume again"
    for node in ast.walk(tree):
        called = node.func.attr if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) else ""
        if CALLED.get(called, name) != name:
            yield f"{name}:{node.lineno} calls {called}, as {CALLED[called]} does"
    for statement in tree.body:
        alias = isinstance(statement, ast.Assign) and ast.unparse(statement.value) == "dict[str, Any]"
        if alias and name != "documents.py":
            yield f"{name}:{statement.lineno} names dict[str, Any] again; import Json from documents"


CHECKS = {check.__name__: check for check in (raw_settings, ignore_written_out, second_mechanisms)}


@pytest.mark.parametrize("check", CHECKS)
def test_the_package_has_one_of_each(check: str) -> None:
    assert [problem for name, tree in trees() for problem in CHECKS[check](name, tree)] == []


@pytest.mark.parametrize(
    ("check", "source"),
    [
        ("raw_settings", "def train(patches: Path, recipe: dict[str, Any]) -> None: ..."),
        ("raw_settings", "def draw(*, space: Mapping[str, Json]) -> None: ..."),
        ("raw_settings", "def train(recipe: Recipe) -> None:\n    Recipe.model_validate(recipe.content())"),
        ("ignore_written_out", "known = labels != 255"),
        ("ignore_written_out", "labels = np.full((3, 3), 255, np.uint8)"),
        ("second_mechanisms", "def choose_device(wanted: str) -> str: ..."),
        ("second_mechanisms", "def read(path):\n    return zarr.open_group(path)"),
        ("second_mechanisms", "def open_volume(path: Path) -> Volume: ..."),
        ("second_mechanisms", "Json = dict[str, Any]"),
    ],
)
def test_the_walk_finds_what_it_is_for(check: str, source: str) -> None:
    assert list(CHECKS[check]("training/other.py", ast.parse(source)))


def test_files_and_functions_are_short() -> None:
    long = [name for name, _ in trees() if len((ROOT / name).read_text("utf-8").splitlines()) >= 300]
    functions = [node for _, tree in trees() for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    assert not long and [node.name for node in functions if node.end_lineno - node.lineno + 1 > 50] == []
