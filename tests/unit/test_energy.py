"""Energy: the GPU that torch computes on is asked, counters that begin again are followed."""

import sys
from types import SimpleNamespace

import pytest
import torch

from scan2seg import energy

GPUS = {"GPU-aa": 100.0, "GPU-bb": 200.0, "GPU-cc": 300.0}


class NVMLError(Exception):
    """What the library raises."""


def pretend(monkeypatch, visible, current, divided=()):
    """Put GPUs in place, in NVML's order, of which CUDA sees some, in the order that the variable names them."""

    def by_uuid(uuid):
        if uuid not in GPUS:
            raise NVMLError(uuid)
        return uuid

    def mode(handle):
        if handle == "GPU-aa":
            raise NVMLError("not supported")
        return (int(handle in divided), 0)

    nvml = SimpleNamespace(
        NVMLError=NVMLError,
        nvmlInit=lambda: None,
        nvmlDeviceGetHandleByUUID=by_uuid,
        nvmlDeviceGetHandleByIndex=lambda index: list(GPUS)[index],
        nvmlDeviceGetMigMode=mode,
        nvmlDeviceGetTotalEnergyConsumption=lambda handle: 1000 * GPUS[handle],
    )
    entries = visible.split(",")
    uuids = [list(GPUS)[int(entry)] if entry.isdigit() else entry for entry in entries]
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: current)
    known = [SimpleNamespace(uuid=uuid.removeprefix("GPU-")) for uuid in uuids]
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: known[index])


@pytest.mark.parametrize(
    ("visible", "current", "joules"),
    [("0,1,2", 0, 100.0), ("2,0", 0, 300.0), ("2,0", 1, 100.0), ("GPU-bb", 0, 200.0), ("MIG-dd", 0, None)],
)
def test_the_gpu_that_torch_computes_on_is_asked(monkeypatch, visible, current, joules):
    pretend(monkeypatch, visible, current)
    assert [found for found, _ in energy.read_counters("cuda")] == ([] if joules is None else [joules])


def test_a_divided_gpu_has_no_energy_of_one_part(monkeypatch):
    pretend(monkeypatch, "GPU-bb", 0, divided=("GPU-bb",))
    meter = energy.EnergyMeter("cuda")
    meter.start()
    assert meter.stop() is None
    assert "divided (MIG)" in energy.explain_unknown("cuda")


def test_a_processor_whose_counter_begins_again(monkeypatch, tmp_path):
    for place, (used, limit) in enumerate([(90_000_000, 100_000_000), (5_000_000, 100_000_000)]):
        package = tmp_path / f"intel-rapl:{place}"
        package.mkdir()
        (package / "energy_uj").write_text(f"{used}\n")
        (package / "max_energy_range_uj").write_text(f"{limit}\n")
    monkeypatch.setattr(energy, "RAPL", tmp_path)
    meter = energy.EnergyMeter("cpu")
    meter.start()
    (tmp_path / "intel-rapl:0" / "energy_uj").write_text("3000000\n")
    (tmp_path / "intel-rapl:1" / "energy_uj").write_text("6000000\n")
    assert meter.stop() == pytest.approx(13 + 1)
    monkeypatch.setattr(energy, "RAPL", tmp_path / "none")
    meter.start()
    assert meter.stop() is None
    assert "no counter of the processor" in energy.explain_unknown("cpu")


def test_energy_of_several_processes():
    assert energy.add_up([3.0, 3.0], "cpu") == 3.0
    assert energy.add_up([1.0, 2.0, 5.0, 6.0], "cpu", nodes=2) == 6.0
    assert energy.add_up([3.0, 4.0], "cuda") == 7.0
    assert energy.add_up([3.0, None], "cuda") is None
