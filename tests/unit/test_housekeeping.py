"""What nothing refers to is listed; what a report shows, an experiment makes or a job works on never is."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from helpers import DATASET, MODEL, make_images

from scan2seg.catalogue import Catalogue
from scan2seg.catalogue.outputs import outputs
from scan2seg.cli import main
from scan2seg.config.experiment import load_experiment
from scan2seg.errors import InputError
from scan2seg.housekeeping import find_unused, list_things
from scan2seg.ownership import announcing, describe_process
from scan2seg.results_folder import check_results
from scan2seg.storage import write_json


@pytest.fixture
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Catalogue:
    monkeypatch.chdir(tmp_path)
    make_images(tmp_path / "cells")
    (tmp_path / "cells.yaml").write_text(DATASET.format(folder=tmp_path / "cells"))
    (tmp_path / "small.yaml").write_text(MODEL.format(architecture="otsu"))
    (tmp_path / "try.yaml").write_text("datasets: [./cells.yaml]\nmodels: [./small.yaml]\nreplicates: {seeds: [0]}\n")
    catalogue = Catalogue(load_experiment(Path("try.yaml")))
    for output in outputs(catalogue):
        path = Path("results", output.path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}") if path.suffix in (".json", ".pt") else path.mkdir(exist_ok=True)
    return catalogue


def test_where_lists_what_is_made_and_what_is_not(found: Catalogue, capsys: pytest.CaptureFixture[str]) -> None:
    # a job that was killed leaves the folder of its run, and a replicate more is one that is not made
    Path("results", found.runs[0].folder, "checkpoint.pt").unlink()
    Path("try.yaml").write_text(Path("try.yaml").read_text().replace("seeds: [0]", "seeds: [0, 1]"))
    found = Catalogue(load_experiment(Path("try.yaml")))
    assert main(["where", "try.yaml"]) == 0
    lines = capsys.readouterr().out.splitlines()
    made = [(line.split()[0], line.endswith("(not made)")) for line in lines]
    assert made == [("split", False), ("stack", False), ("patches", False), ("training", True), ("training", True),
                    ("prediction", False), ("prediction", True)]  # fmt: skip
    assert {item["path"] for item in list_things(found, Path("results"))} == {line.split()[3] for line in lines}


def test_clean_lists_and_deletes_what_nothing_refers_to(found: Catalogue, capsys: pytest.CaptureFixture[str]) -> None:
    results = Path("results")
    stack, run = results / Path(next(iter(found.splits_of.values())).stack.path).parent, results / found.runs[0].folder
    orphans = [
        results / "runs/old-0123abcd", run.with_name("seed7"), run / "inference-01234567",
        stack / "splits/deadbeef.json", results / "stacks/gone-01234567",
    ]  # fmt: skip
    for path in orphans:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}") if path.suffix == ".json" else (path / "inner").mkdir(parents=True)
    (results / "runs/notes").mkdir()  # not ours
    assert {item.path for item in find_unused([found], results)} == set(orphans)
    # without the experiment a report that names its things keeps them
    report = results / "reports/try/index.html"
    write_json(report.with_name("things.json"), {"things": found.report_content["things"]})
    report.write_text("")
    assert main(["clean"]) == 0
    assert "5 unused" in capsys.readouterr().out and all(path.exists() for path in orphans)
    assert main(["clean", "--yes"]) == 0
    assert not any(path.exists() for path in orphans)
    assert all((results / output.path).exists() for output in outputs(found)) and (results / "runs/notes").is_dir()
    report.with_name("things.json").unlink()
    assert main(["clean", "--yes"]) == 2
    assert "cannot be read" in capsys.readouterr().err


def test_clean_spares_what_a_job_reads_or_makes_and_an_experiment_that_runs(found: Catalogue) -> None:
    results = Path("results")
    busy, dead, read = (results / name for name in ("runs/busy-89abcdef", "runs/dead-89abcdef", "volumes/v-89abcdef"))
    for path in (busy, dead, read):
        path.mkdir(parents=True)
    inputs = [str(read / "volume.zarr")]
    (busy / ".checkpoint.pt.owner").write_text(json.dumps({**describe_process(), "inputs": inputs}))
    (dead / ".checkpoint.pt.owner").write_text(json.dumps({**describe_process(), "start": 0}))
    assert {item.path for item in find_unused([found], results)} == {dead}
    with announcing(results / "reports/try", found.report_content["things"]):
        assert {item.path for item in find_unused([], results)} == {dead}
    assert len(find_unused([], results)) > 1


def test_an_experiment_that_ends_without_a_report_leaves_no_folder_of_it(tmp_path: Path) -> None:
    folder = tmp_path / "reports/try"
    with announcing(folder, []), announcing(folder, []):
        assert len(list(folder.iterdir())) == 2
    assert not (tmp_path / "reports").exists()
    with announcing(folder, []):
        (folder / "index.html").write_text("finished")
    assert [path.name for path in folder.iterdir()] == ["index.html"]


def test_experiments_that_start_and_end_at_once_do_not_take_each_other_s_folder(tmp_path: Path) -> None:
    def run(place: int) -> None:
        for _ in range(60):
            with announcing(tmp_path / f"reports/try{place % 2}", []):
                pass

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(run, range(4)))
    assert not (tmp_path / "reports").exists()


def test_clean_looks_where_the_experiment_s_results_are(found: Catalogue, capsys: pytest.CaptureFixture[str]) -> None:
    Path("results").rename("elsewhere")
    Path("elsewhere/runs/old-0123abcd").mkdir()
    assert main(["clean"]) == 2
    assert "no such folder" in capsys.readouterr().err
    Path("try.yaml").write_text(Path("try.yaml").read_text() + "results: elsewhere\n")
    assert main(["clean", "try.yaml"]) == 0
    assert "elsewhere/runs/old-0123abcd" in capsys.readouterr().out


def test_a_results_folder_of_the_first_version_is_refused(tmp_path: Path) -> None:
    check_results(tmp_path)
    (tmp_path / "results/demo/scans/one/reconstruction.zarr").mkdir(parents=True)
    (tmp_path / "results/cells/stack.zarr").mkdir(parents=True)
    with pytest.raises(InputError, match=r"scan2seg 0.1 \(cells, demo\)"):
        check_results(tmp_path / "results")


@pytest.mark.parametrize("command", [["where", "try.yaml"], ["clean"], ["clean", "try.yaml"], ["preview", "try.yaml", "small"],
                                     ["ranking", "results/reports/try"], ["relocate"]])  # fmt: skip
def test_every_command_refuses_results_of_the_first_version(
    found: Catalogue, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    Path("results/demo/stack.zarr").mkdir(parents=True)
    assert main(command) == 2
    assert capsys.readouterr().err.count("0.1") == 1
