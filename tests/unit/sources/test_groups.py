"""Which images are one patient's: by folder, pattern or table."""

from pathlib import Path

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from scan2seg.config.groups import Groups, GroupTable
from scan2seg.errors import InputError
from scan2seg.sources import Item
from scan2seg.sources.groups import assign_groups

PATHS = ["/data/p01/a_b_001.png", "/data/p01/a_b_002.png", "/data/p02/c_001.png"]


def groups_of(groups: object, paths: list[str] = PATHS) -> list[str]:
    items = [Item(path, "?", None, (1, 1), lambda: np.zeros((1, 1, 1), np.float32), None) for path in paths]
    return [item.group for item in assign_groups(items, [Path(path) for path in paths], groups)]


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        (None, PATHS),
        ("folder", ["p01", "p01", "p02"]),
        ("{group}_???", ["a_b", "a_b", "c"]),
        ("{group}_*", ["a", "a", "c"]),
        ("p{group}/*", ["01", "01", "02"]),
        ("{group}/p*/*", ["data"] * 3),
    ],
)
def test_folders_and_patterns_name_groups(groups: str | None, expected: list[str]) -> None:
    assert groups_of(groups) == expected


@pytest.mark.parametrize("pattern", ["p01", "{group}{group}", "{patient}_*"])
def test_a_pattern_without_one_group_is_refused(pattern: str) -> None:
    with pytest.raises(ValidationError, match=r"a pattern with one \{group\}"):
        TypeAdapter(Groups).validate_python(pattern)


def test_images_that_no_pattern_fits_are_named() -> None:
    with pytest.raises(InputError, match=r"'a_{group}_\*' gives no group for /data/p02/c_001.png"):
        groups_of("a_{group}_*")


def test_a_table_names_images_by_as_much_of_the_path_as_it_needs(tmp_path: Path) -> None:
    file = tmp_path / "patients.csv"
    file.write_text("slice;patient;age\na_b_001.png;x;3\na_b_002;x;3\np02/c_001.png;y;4\n", "utf-8-sig")
    table = GroupTable(file=str(file), image="slice", group="patient")
    assert groups_of(table) == ["x", "x", "y"]
    with pytest.raises(InputError, match="has no column 'image', but slice, patient, age"):
        groups_of(GroupTable(file=str(file)))
    with pytest.raises(InputError, match=r"gives no group for /data/p03/d.png"):
        groups_of(table, [*PATHS, "/data/p03/d.png"])
    with pytest.raises(
        InputError, match=r"'a_b_001.png' stands for /data/p01/a_b_001.png and for /data/p09/a_b_001.png"
    ):
        groups_of(table, [*PATHS, "/data/p09/a_b_001.png"])
    file.write_text("image,group\na_b_001,x\na_b_001,y\n")
    with pytest.raises(InputError, match="'a_b_001' is in two groups, 'x' and 'y'"):
        groups_of(GroupTable(file=str(file)))
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="cannot be read as a CSV file"):
        groups_of(GroupTable(file=str(file)))
