"""Texts of the configuration that reach more than a table: paths, addresses, names in command lines."""

from typing import Any

import pytest

from scan2seg.config.experiment import ExperimentSettings
from scan2seg.config.images import ImageFiles
from scan2seg.config.problems import Problem
from scan2seg.secrets import hide_credentials


def settings(**keys: Any) -> ExperimentSettings:
    return ExperimentSettings.model_validate({"experiment": "a", "datasets": ["b"], **keys})


def test_paths_and_addresses_alone_take_values_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "hunter2")
    given = settings(description="by ${SECRET}", results="${SECRET}/out", tracking={"uri": "http://a:${SECRET}@b"})
    assert given.description == "by ${SECRET}"
    assert given.results == "hunter2/out" and given.tracking.uri == "http://a:hunter2@b"
    assert ImageFiles(images="${NOT_SET:-here}/*.png").images == "here/*.png"
    with pytest.raises(ValueError, match="set the environment variable NOT_SET"):
        ImageFiles(images="${NOT_SET}/*.png")


@pytest.mark.parametrize("name", ["x$(touch P)", "a b", "a;b", "`id`", "-A", "a\nb", "", "a" * 101])
@pytest.mark.parametrize("key", ["account", "cpu_partition", "gpu_partition"])
def test_names_of_the_cluster_hold_nothing_that_a_shell_runs(key: str, name: str) -> None:
    with pytest.raises(ValueError, match=key):
        settings(cluster={key: name})
    assert settings(cluster={key: "cpu-long,gpu.a_1"})


@pytest.mark.parametrize("folder", ["x$(touch P)", "{dataset}", "a;b", "a\nb", "a'b"])
def test_the_folder_of_results_holds_nothing_that_snakemake_or_a_shell_reads(folder: str) -> None:
    with pytest.raises(ValueError, match="choose another"):
        settings(results=folder)
    assert settings(results="/data/my results/a-1_b.c")


@pytest.mark.parametrize("path", ["a" * 256 + "/*.png", "/" + "a/" * 2000, "é" * 200])
def test_a_path_that_no_file_system_holds_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="too long for a path"):
        ImageFiles(images=path)


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("https://me:pw@host:5000/a", "https://host:5000/a"),
        ("failed at 'https://me:p/w@x@host/a' twice", "failed at 'https://host/a' twice"),
        ("postgresql://host/db?user=me&password=pw", "postgresql://host/db"),
        ("http://host:5000/a", "http://host:5000/a"),
        ("sqlite:////data/a.db", "sqlite:////data/a.db"),
    ],
)
def test_credentials_are_taken_out_of_addresses(text: str, hidden: str) -> None:
    assert hide_credentials(text) == hidden
    assert "pw" not in str(Problem("a.yaml", "tracking.uri", "is wrong", text))
