"""The page on the architecture is true: its walk is the way that a setting takes, its folders are those of results."""

import re
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
from analytic import disc_sinogram, write_scan

import scan2seg
from scan2seg.catalogue.volumes import scan_volumes
from scan2seg.config.components import load_component
from scan2seg.config.dataset import Dataset
from scan2seg.config.reconstruction import ReconstructionSettings
from scan2seg.config.scan_files import RawScan
from scan2seg.reconstruction.scan import reconstruct_scan

SOURCE = Path(scan2seg.__file__).parent
ROOT = SOURCE.parents[1]
PAGE = (ROOT / "docs/architecture.md").read_text("utf-8")
WALK = re.findall(r"^\| `([\w/.]+)`: `(\w+)` \|", PAGE, re.MULTILINE)
DATASET = """
source:
  kind: scan
  projections: scan.h5
  reconstruction: {backend: {method: gridding, window: hann}, device: cpu}
"""


def test_the_walk_is_the_way_that_the_setting_takes(tmp_path: Path) -> None:
    degrees = np.arange(40) * 4.5
    integrals = disc_sinogram(24, np.deg2rad(degrees), 11.5, [(0, 0, 8, 0.01)])
    write_scan(tmp_path / "scan.h5", np.stack([integrals] * 2), degrees)
    (tmp_path / "data.yaml").write_text(DATASET)
    windows: list[str] = []
    called: list[tuple[str, str]] = []

    def watch(frame: FrameType, event: str, argument: Any) -> None:
        path = Path(frame.f_code.co_filename)
        if event == "call" and SOURCE in path.parents:
            called.append((path.relative_to(SOURCE).as_posix(), frame.f_code.co_name))
            if frame.f_code.co_name == "ramp_filter":
                windows.append(frame.f_locals["window"])

    sys.setprofile(watch)
    threading.setprofile(watch)
    try:
        dataset, _ = load_component("datasets", Dataset, "./data.yaml", tmp_path)
        (volume,) = scan_volumes(dataset).values()
        handed = volume.content["settings"]
        settings = ReconstructionSettings.model_validate(handed)
        reconstruct_scan(RawScan(projections=str(tmp_path / "scan.h5")), tmp_path / "out.zarr", settings)
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    assert set(windows) == {"hann"}
    place = 0
    for step in (step for step in WALK if not step[0].startswith("workflow/")):
        assert step in called[place:], f"{step} is not called where the page says"
        place = called.index(step, place)
    assert len(WALK) >= 10


def test_what_the_page_names_is_there() -> None:
    for file, name in WALK:
        path = ROOT / file if file.startswith("workflow/") else SOURCE / file
        assert re.search(rf"\b(def|class|rule) {name}\b", path.read_text("utf-8")), f"{file}: {name}"
    things = "".join(path.read_text("utf-8") for path in (SOURCE / "catalogue").glob("*.py"))
    folders = set(re.findall(r"\"(\w+)/\{self\.folder\}", things))
    drawn = PAGE[PAGE.index("## The way of the data") : PAGE.index("## Where things are")]
    assert folders == set(re.findall(r"\b(\w+)/[A-Z]+-KEY", drawn)) - {"patches"}
    rules = "".join(path.read_text("utf-8") for path in (ROOT / "workflow/rules").glob("*.smk"))
    assert set(re.findall(r"^rule (\w+):", rules, re.MULTILINE)) - set(re.findall(r"\w+", drawn)) == set()
