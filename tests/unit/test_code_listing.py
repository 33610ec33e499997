"""One file stands for the source files of a stage: it changes when a content does, and is as old as the newest."""

import os
from pathlib import Path

import pytest

from scan2seg import code_listing

MODULES = ("scan2seg.split",)


def test_a_listing_follows_its_sources_by_time_and_by_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.py", "b.py"):
        Path(name).write_text("1")
        os.utime(name, ns=(10**18, 10**18))
    monkeypatch.setattr(code_listing, "source_files", lambda *modules: ["a.py", "b.py"])
    path = Path(code_listing.listing_path("split_stack", MODULES))

    def write() -> tuple[str, int]:
        for function in (code_listing.write_listing, code_listing._hash, code_listing._time):
            function.cache_clear()
        code_listing.write_listing(str(path), MODULES)
        return path.read_text(), path.stat().st_mtime_ns

    first = write()
    assert first[1] == 10**18 and code_listing.read_listing(str(path)) == ["a.py", "b.py"]
    os.utime("a.py", ns=(2 * 10**18, 2 * 10**18))
    touched = write()
    assert touched == (first[0], 2 * 10**18)
    Path("b.py").write_text("2")
    edited = write()
    assert edited[0] != first[0]
    assert code_listing.newest_file(str(path)) == "a.py" and code_listing.newest_file("missing") is None


def test_the_place_of_a_listing_tells_stage_and_modules_apart() -> None:
    one = code_listing.listing_path("train_model", ["a", "b"])
    assert one == code_listing.listing_path("train_model", ["b", "a"]) and code_listing.is_listing(one)
    assert one not in (
        code_listing.listing_path("train_model", ["a"]),
        code_listing.listing_path("tune_model", ["a", "b"]),
    )
