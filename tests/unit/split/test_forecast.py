"""Before a pixel is read, ``validate`` knows the split, or that there can be none."""

from pathlib import Path

import pytest
from helpers import make_images

from scan2seg.cli import main
from scan2seg.config.split import SplitSettings
from scan2seg.sources import Item
from scan2seg.split import make_folds, make_split
from scan2seg.split.forecast import describe_forecast

DATASET = """
source: {kind: images, images: images/*, labels: labels/*, label_values: {dark: 0, grey: 100, bright: 200}, GROUPS}
classes: [dark, grey, bright]
split: {strategy: grouped}
"""


def items_of(groups: list[str]) -> list[Item]:
    def unread() -> None:
        raise AssertionError("a pixel was read")

    return [Item(f"{group}/{place}", group, None, (9, 9), unread, unread) for place, group in enumerate(groups)]


def test_the_forecast_is_the_split_of_images_that_all_differ() -> None:
    groups = [f"p{place // 5}" for place in range(40)]
    chosen = SplitSettings(strategy="grouped", drop_empty=True)
    lines = describe_forecast(chosen, items_of(groups), folds=3)
    names = [str(place) for place in range(40)]
    split = make_split(chosen, names, groups, names, [None] * 40, range(40))
    assert lines[0] == "split grouped: 40 images of 8 groups: p0, p1, p2..."
    assert f"  test: {len(split['test'])} images of {len(split['test']) // 5} groups" in lines
    for number, fold in enumerate(make_folds(chosen, 3, split, groups, names), 1):
        assert any(line.startswith(f"  fold {number} validation: {len(fold['validation'])} images") for line in lines)
    assert "none of the 2 test groups (volumes, patients) is among them" in lines[-2]
    assert lines[-1].endswith("which images are equal by hash, which are empty (drop_empty).")


@pytest.mark.parametrize(
    ("groups", "words", "status"),
    [
        ("", "every image is a group of its own", 2),
        ("groups: folder", "split: nothing is left for validation; 1 groups are too few", 2),
        ("groups: 'x_{group}?'", "gives no group", 2),
        ("groups: '*_?{group}'", "  train: 12 images of 6 groups", 0),
    ],
)
def test_validate_tells_of_splits_that_cannot_be(tmp_path: Path, capsys, groups: str, words: str, status: int) -> None:
    make_images(tmp_path, count=20, size=20)
    (tmp_path / "cells.yaml").write_text(DATASET.replace("GROUPS", groups))
    assert main(["validate", str(tmp_path / "cells.yaml")]) == status
    assert words in "".join(capsys.readouterr())
