"""Reconstructions of one scan beside each other: differences to the first, errors against what was simulated."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from scan2seg import storage
from scan2seg.config.simulation import SimulationSettings
from scan2seg.reporting.content import ScanInput
from scan2seg.reporting.volume_comparison import compare_volumes
from scan2seg.simulation.phantom import label_slice, particles_between

SETTINGS = SimulationSettings(size=48, rows=4, projections=8, seed=2)


def write(path: Path, values: NDArray[np.float64], orientation: str = "none") -> Path:
    with storage.creating(path) as group:
        storage.create_volume(group, values.shape)[:] = values
        group.attrs["provenance"] = {"settings": {"orientation": orientation}}
    return path


def scan(dataset: str, volume: Path, labels: Path | None = None) -> ScanInput:
    return ScanInput(dataset=dataset, scan="tooth", reconstruction=volume, denoised=None, labels=labels)


def test_a_volume_is_compared_with_the_first_of_its_family(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(3, 20, 20))
    scans = [
        scan("tooth", write(tmp_path / "a", values)),
        scan("shifted", write(tmp_path / "b", values + 0.5)),
        scan("negative", write(tmp_path / "c", -values)),
        scan("smaller", write(tmp_path / "d", values[:, :10, :10])),
        scan("missing", tmp_path / "e"),
        scan("stranger", write(tmp_path / "f", values)),
    ]
    (found,) = compare_volumes(scans, [["tooth", "shifted", "negative", "smaller", "missing"], ["stranger"]])
    assert found.scan == "tooth"
    rows = {row[0].text: row for row in found.table.rows}
    assert list(rows) == ["tooth", "shifted", "negative", "smaller"]
    assert [cell.text for cell in rows["tooth"][4:]] == ["–"] * 4
    assert rows["shifted"][4].key == pytest.approx(0.5, abs=1e-3)
    assert rows["shifted"][5].text == "1.0000" and rows["negative"][5].text == "−1.0000"
    assert rows["smaller"][4].text == "–"


def test_errors_are_against_the_attenuation_that_was_simulated(tmp_path: Path) -> None:
    labels = tmp_path / "labels.zarr"
    with storage.creating(labels) as group:
        storage.create_volume(group, (4, 48, 48), np.uint8, name="label")
        group.attrs["provenance"] = {"settings": SETTINGS.model_dump(mode="json")}
    table = np.array([material.attenuation for material in SETTINGS.materials])
    true = np.stack([table[label_slice(SETTINGS, particles_between(SETTINGS, z, z + 1), z)] for z in range(4)])
    scans = [
        scan("true", write(tmp_path / "a", true), labels),
        scan("scaled", write(tmp_path / "b", 1.1 * true), labels),
        scan("turned", write(tmp_path / "c", true[:, ::-1], "flip_rows"), labels),
    ]
    (found,) = compare_volumes(scans, [["true", "scaled", "turned"]])
    same, scaled, turned = found.table.rows
    assert same[6].key == pytest.approx(0, abs=1e-9)
    assert scaled[7].note == "matrix" and scaled[7].key == pytest.approx(0.00045, rel=1e-3)
    assert turned[6].text == "–"


def test_one_volume_alone_has_nothing_to_be_compared_with(tmp_path: Path) -> None:
    volume = write(tmp_path / "a", np.zeros((2, 8, 8)))
    assert compare_volumes([scan("a", volume)], [["a", "b"]]) == []
