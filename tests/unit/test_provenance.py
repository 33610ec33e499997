"""What made an output is written with it, down to the machine."""

import os
import platform
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from scan2seg import provenance

MODULES = {
    "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug 19 01:15:15 UTC 2023\n": "535.104.05",
    "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  550.54.14  Release Build  (me@here)\n": "550.54.14",
}


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    """Let the machine be described anew, and again for the tests that follow."""
    provenance.describe_hardware.cache_clear()
    yield
    provenance.describe_hardware.cache_clear()


def test_node_processor_and_cores_are_those_of_the_machine() -> None:
    found = provenance.record({})["hardware"]
    assert found["node"] == platform.node() and found["cores"] == os.cpu_count()
    assert found["processor"] in Path("/proc/cpuinfo").read_text()


@pytest.mark.parametrize("text", MODULES)
def test_gpu_driver_and_cuda_are_what_torch_and_the_kernel_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    # nothing but the two questions is answered in place of a GPU
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda index: ["NVIDIA A100-SXM4-40GB"][index])
    monkeypatch.setattr(torch.version, "cuda", "12.6")
    monkeypatch.setattr(provenance, "DRIVER", tmp_path / "version")
    (tmp_path / "version").write_text(text + "GCC version:  gcc version 12.2.0 (Debian 12.2.0-14)\n")
    found = provenance.record({})["hardware"]
    assert (found["gpu"], found["driver"], found["cuda"]) == ("NVIDIA A100-SXM4-40GB", MODULES[text], "12.6")
    assert provenance.is_like_hardware({**found, "node": "another"})
    assert not provenance.is_like_hardware({**found, "driver": "470.1"})


def test_a_machine_without_a_gpu_names_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert not {"gpu", "driver", "cuda"} & set(provenance.describe_hardware())
