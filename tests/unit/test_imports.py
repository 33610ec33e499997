import ast
import re
from pathlib import Path

from scan2seg import imports, plugins
from scan2seg.imports import source_files


def stems(*modules: str) -> set[str]:
    return {path.split("scan2seg/", 1)[1] for path in source_files(*modules)}


def test_a_stage_depends_on_what_it_imports_and_on_nothing_else() -> None:
    denoising = stems("scan2seg.denoising.scan", "scan2seg.denoising.non_local_means")
    assert {"denoising/scan.py", "denoising/non_local_means.py", "storage.py"} <= denoising
    assert "denoising/unsharp_mask.py" not in denoising
    assert not any(name.startswith(("training", "reporting", "architectures", "config/model")) for name in denoising)
    training = stems("scan2seg.training.train", "scan2seg.architectures.resunet")
    assert "architectures/resunet.py" in training and "architectures/deeplabv3_plus.py" not in training
    assert not any(name.startswith(("denoising", "reconstruction", "reporting", "evaluation")) for name in training)


def test_an_experiment_file_changes_no_stage() -> None:
    for module in ("stack", "split", "patches", "training.train", "inference.prediction", "evaluation.score"):
        found = stems(f"scan2seg.{module}")
        assert not found & {"config/experiment.py", "config/dataset.py", "config/model.py", "cli.py"}, module


def test_plugins_are_found_without_importing_anything_heavy() -> None:
    import subprocess
    import sys

    script = (
        "import sys; from scan2seg.config.schema import make_schema; make_schema();"
        "sys.exit(any(name in sys.modules for name in ('torch', 'monai', 'skimage', 'numba', 'mlflow', 'h5py')))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
    assert "unet" in plugins.names("architectures")


def test_stages_without_a_network_do_not_wait_for_torch() -> None:
    import subprocess
    import sys

    stages = (
        "reconstruction.scan",
        "denoising.scan",
        "stack",
        "split",
        "patches",
        "evaluation.comparison",
        "reporting.html",
    )
    imports_all = "; ".join(f"import scan2seg.{name}" for name in stages)
    script = f"import sys; {imports_all}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_mlflow_is_imported_in_one_package() -> None:
    sources = Path(plugins.__file__).parent
    found = {
        path.relative_to(sources).parts[:2]
        for path in sources.rglob("*.py")
        if re.search(r"^\s*(import|from) mlflow\b", path.read_text("utf-8"), re.MULTILINE)
    }
    assert found == {("reporting", "tracking")}


def test_matching_finds_every_import_that_parsing_finds() -> None:
    missed = {}
    for path in Path(plugins.__file__).parent.rglob("*.py"):
        parsed = set()
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                parsed.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                assert node.level == 0, f"{path}: imports are absolute, so that they can be followed"
                parsed.update(f"{node.module}.{alias.name}" for alias in node.names)
        wanted = {name for name in parsed if name.startswith("scan2seg.")}
        if missing := wanted - set(imports._names(path)):
            missed[path.name] = missing
    assert missed == {}
