"""Everything that is wrong is told at once, and what is wrong many times is told once."""

import os
from pathlib import Path

import pytest
from helpers import DATASET, MODEL, make_images, problems_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_images(tmp_path)
    (tmp_path / "cells.yaml").write_text(DATASET.format(folder="."))
    (tmp_path / "small.yaml").write_text(MODEL.format(architecture="otsu"))
    (tmp_path / "try.yaml").write_text("datasets: [./cells.yaml]\nmodels: [./small.yaml]\n")
    return tmp_path


def test_a_wrong_key_hides_neither_the_other_files_nor_the_data(folder: Path) -> None:
    experiment = folder / "try.yaml"
    experiment.write_text(experiment.read_text() + "replicatess: 3\nsaliency: perhaps\n")
    model = folder / "small.yaml"
    model.write_text(model.read_text().replace("epochs: 2", "epochs: two"))
    cells = folder / "cells.yaml"
    cells.write_text(cells.read_text().replace("grey: 100", "grey: 101"))
    message = problems_of(experiment)
    for part in ("replicatess", "saliency", "small.yaml: training.epochs", "cells.yaml: source: ", "values: [100]"):
        assert part in message


def test_two_variants_of_one_name_are_an_error_that_names_both(folder: Path) -> None:
    variant = "{base: ./cells.yaml, name: cells, split: {training_images: 2}}"
    (folder / "try.yaml").write_text(f"datasets: [./cells.yaml, {variant}]\nmodels: [./small.yaml]\n")
    message = problems_of(folder / "try.yaml")
    assert "try.yaml: datasets.1 = 'cells'" in message and "there already, as datasets.0 of" in message
    scan = "source: {kind: simulation, scans: {one: {size: 48, rows: 12, projections: 60, seed: SEED}}}\nclasses: [background, matrix, precipitate, inclusion]\nsplit: {strategy: blocked}\n"  # fmt: skip
    (folder / "pillar.yaml").write_text(scan.replace("SEED", "1"))
    changed = "{base: ./pillar.yaml, source: {scans: {one: {seed: 2}}}}"
    content = f"datasets: [./pillar.yaml]\nmodels: [./small.yaml]\nsegment: {{datasets: [{changed}]}}\n"
    (folder / "try.yaml").write_text(content)
    message = problems_of(folder / "try.yaml")
    assert "segment.datasets = 'pillar'" in message and "other settings in datasets" in message


def test_equal_messages_of_many_images_are_one_with_a_count(folder: Path) -> None:
    cells = folder / "cells.yaml"
    cells.write_text(cells.read_text().replace("grey: 100", "grey: 101"))
    message = problems_of(cells)
    assert message.count("ignore_values: [100]") == 1
    assert " (and 11 more like this, as cell_11)" in message


@pytest.mark.parametrize("name", ["images/pipe.png", "/dev/zero", "/dev/tty"])
def test_pipes_and_devices_are_not_opened(folder: Path, name: str) -> None:
    os.mkfifo(folder / "images" / "pipe.png")
    cells = folder / "cells.yaml"
    cells.write_text(cells.read_text().replace("./images/*.png", name))
    assert "is a pipe, a socket or a device; name files" in problems_of(cells)
    os.mkfifo(folder / "pipe.yaml")
    assert "is a folder, a pipe or a device; name a YAML file" in problems_of(folder / "pipe.yaml")


def test_a_table_of_groups_that_is_a_pipe_is_not_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "patients.csv")
    cells = folder / "cells.yaml"
    cells.write_text(cells.read_text().replace("  images:", "  groups: {file: ./patients.csv}\n  images:"))
    assert "source.groups.file: " in problems_of(cells)


def test_what_reads_slowly_or_never_ends_has_bounds(folder: Path) -> None:
    experiment = folder / "try.yaml"
    experiment.write_text(experiment.read_text() + "replicates: {seeds: [" + "9" * 5000 + "]}\n")
    assert "line 3: '99999999999999999999' cannot be read as a number" in problems_of(experiment)
    experiment.write_text("datasets: [./cells.yaml]\nreplicates: {seeds: [1" + "0" * 30 + "]}\n")
    assert "replicates.seeds.0: is a number beyond 4294967296" in problems_of(experiment)
