"""What nothing refers to is listed; what a report shows, an experiment makes or a job works on never is."""

from pathlib import Path

import numpy as np
import pytest
from helpers import DATASET, MODEL, make_images

from scan2seg.catalogue import Catalogue
from scan2seg.cli import main
from scan2seg.config.experiment import load_experiment
from scan2seg.errors import InputError
from scan2seg.housekeeping import find_unused, list_things, remove, trace
from scan2seg.provenance import find_key, fingerprint_file, record
from scan2seg.results_folder import check_results
from scan2seg.split import split_stack
from scan2seg.stack import assemble_stack
from scan2seg.storage import create_array, creating, write_json


@pytest.fixture
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Catalogue:
    monkeypatch.chdir(tmp_path)
    make_images(tmp_path / "cells")
    (tmp_path / "cells.yaml").write_text(DATASET.format(folder=tmp_path / "cells"))
    (tmp_path / "small.yaml").write_text(MODEL.format(architecture="otsu"))
    (tmp_path / "try.yaml").write_text("datasets: [./cells.yaml]\nmodels: [./small.yaml]\n")
    catalogue = Catalogue(load_experiment(Path("try.yaml")))
    for thing in catalogue.things():
        path = Path("results", thing.path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}") if path.suffix == ".json" else path.mkdir(exist_ok=True)
    return catalogue


def test_where_lists_what_is_made_and_what_is_not(found: Catalogue, capsys: pytest.CaptureFixture[str]) -> None:
    Path("results", found.runs[0].thing.path).rmdir()
    assert main(["where", "try.yaml"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["split", "stack", "training", "patches"]
    assert [line.endswith("(not made)") for line in lines] == [False, False, True, False]
    assert {item["path"] for item in list_things(found, Path("results"))} == {line.split()[3] for line in lines}


def test_clean_lists_and_deletes_what_nothing_refers_to(found: Catalogue, capsys: pytest.CaptureFixture[str]) -> None:
    results = Path("results")
    stack = results / Path(next(iter(found.splits_of.values())).stack.path).parent
    orphans = [results / "runs/old-0123abcd", stack / "splits/deadbeef.json", results / "stacks/gone-01234567"]
    for path in orphans:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}") if path.suffix == ".json" else (path / "inner").mkdir(parents=True)
    (results / "runs/busy-89abcdef").mkdir()
    (results / "runs/busy-89abcdef/.checkpoint.pt.owner").write_text("{}")
    assert {item.path for item in find_unused([found], results)} == set(orphans)
    # without the experiment a report that names its things keeps them
    write_json(results / "reports/try/things.json", {"things": [thing.path for thing in found.things()]})
    assert main(["clean"]) == 0
    assert "3 unused" in capsys.readouterr().out and all(path.exists() for path in orphans)
    assert main(["clean", "--yes"]) == 0
    assert not any(path.exists() for path in orphans)
    assert all((results / thing.path).exists() for thing in found.things())
    (results / "reports/try/things.json").write_text("{")
    with pytest.raises(InputError, match="cannot be read"):
        find_unused([], results)


def test_a_number_is_followed_to_the_raw_files(found: Catalogue, tmp_path: Path) -> None:
    split = next(iter(found.splits_of.values()))
    remove(find_unused([], Path("results")))
    stack, file = Path("results", split.stack.path), Path("results", split.path)
    assemble_stack(split.stack.dataset.stack_source(), stack, classes=split.stack.dataset.classes)
    split_stack(stack, file, split.settings)
    steps = list(trace(file))
    assert [(depth, item["path"]) for depth, item in steps[:2]] == [(0, str(file)), (1, str(stack))]
    raw = {Path(item["path"]).name for depth, item in steps if item["raw"] and depth == 2}
    assert raw == {path.name for path in (tmp_path / "cells").rglob("*.png")}
    assert steps[0][1]["settings"]["split"]["strategy"] == "random"
    with pytest.raises(InputError, match="no record"):
        list(trace(tmp_path / "cells.yaml"))


def test_an_input_is_known_by_its_key_and_its_content(tmp_path: Path) -> None:
    for name, key in (("stacks/a-0123abcd/stack.zarr", "0123abcd"), ("stacks/a-0123abcd/splits/89abcdef.json", "89abcdef"),
                      ("runs/u-11112222/seed0/checkpoint.pt", "11112222"), ("data/raw_12345678.tif", None)):  # fmt: skip
        assert find_key(Path(name)) == key
    first, second = tmp_path / "a.bin", tmp_path / "b.bin"
    first.write_bytes(bytes(20_000_000))
    second.write_bytes(bytes(19_999_999) + b"x")
    assert fingerprint_file(first) != fingerprint_file(second)
    with creating(tmp_path / "s.zarr") as group:
        create_array(group, "label", (1, 4, 4), "uint8")[:] = np.zeros((1, 4, 4))
        group.attrs["provenance"] = record({"a": 1}, [first])
    (found,) = record({}, [tmp_path / "s.zarr"])["inputs"]
    assert found["path"] == str(tmp_path / "s.zarr") and found["fingerprint"]
    (many,) = record({}, [first] * 1001)["inputs"]
    assert many["files"] == 1001


def test_a_results_folder_of_the_first_version_is_refused(tmp_path: Path) -> None:
    check_results(tmp_path)
    (tmp_path / "demo" / "stack.zarr").mkdir(parents=True)
    with pytest.raises(InputError, match=r"scan2seg 0.1 \(demo\)"):
        check_results(tmp_path)
