"""Folds keep what the strategy promises: equal images, groups and gaps."""

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from scan2seg.config.split import SplitSettings
from scan2seg.errors import InputError
from scan2seg.split import make_folds, make_split

GROUPS = st.lists(st.integers(3, 14), min_size=3, max_size=8).map(
    lambda lengths: [f"volume{place}" for place, length in enumerate(lengths) for _ in range(length)]
)


@settings(max_examples=300, deadline=None)
@given(GROUPS, st.sampled_from(["random", "grouped", "blocked"]), st.integers(0, 4), st.integers(2, 6), st.data())
def test_folds_validate_every_image_once_and_nothing_leaks(groups, strategy: str, gap: int, folds: int, data) -> None:
    count = len(groups)
    hashes = data.draw(st.lists(st.integers(0, 60).map(str), min_size=count, max_size=count))
    # most are kept: too few for the folds are refused, which says nothing of folds
    kept = sorted(set(range(count)) - data.draw(st.sets(st.integers(0, count - 1), max_size=count // 4)))
    chosen = SplitSettings(strategy=strategy, gap=gap)
    try:
        split = make_split(chosen, [str(index) for index in range(count)], groups, hashes, [None] * count, kept)
        made = make_folds(chosen, folds, split, groups, hashes)
    except InputError:
        assume(False)
    pool = sorted(split["train"] + split["validation"])
    assert sorted(index for fold in made for index in fold["validation"]) == pool
    for fold in made:
        train, validation = fold["train"], fold["validation"]
        assert train and validation and set(train) | set(validation) <= set(pool)
        assert {hashes[i] for i in train}.isdisjoint({hashes[i] for i in validation})
        left = set(pool) - set(train) - set(validation)
        equal = {i for i in pool if hashes[i] in {hashes[j] for j in validation}}
        if strategy == "random":
            assert not left
        if strategy == "grouped":
            assert left <= equal
            assert {groups[i] for i in train}.isdisjoint({groups[i] for i in validation})
        if strategy == "blocked":
            alone = len(set(groups)) == count
            near = {i for i in pool for j in validation if abs(i - j) <= gap and (alone or groups[i] == groups[j])}
            assert near.isdisjoint(train)
            assert left <= near | equal


def test_folds_of_blocks_are_contiguous_in_every_volume_and_alike_in_size() -> None:
    groups = ["a"] * 40 + ["b"] * 23
    names = [str(index) for index in range(63)]
    split = {"train": list(range(63)), "validation": [], "test": []}
    for fold in make_folds(SplitSettings(strategy="blocked", gap=4), 4, split, groups, names):
        for volume in (range(40), range(40, 63)):
            block = [index for index in fold["validation"] if index in volume]
            assert block == list(range(block[0], block[-1] + 1))
            assert len(volume) // 4 <= len(block) <= len(volume) // 4 + 1
        assert 15 <= len(fold["validation"]) <= 16


def test_too_many_folds_or_too_wide_a_gap_say_so() -> None:
    names = [str(index) for index in range(10)]
    split = {"train": list(range(10)), "validation": [], "test": []}
    with pytest.raises(InputError, match="11 folds need as many images, there are 10"):
        make_folds(SplitSettings(strategy="blocked"), 11, split, ["a"] * 10, names)
    with pytest.raises(InputError, match=r"nothing is left to train with.*lower split\.gap \(5\)"):
        make_folds(SplitSettings(strategy="blocked", gap=5), 2, split, ["a"] * 10, names)
    with pytest.raises(InputError, match="3 folds need as many groups, there are 2"):
        make_folds(SplitSettings(strategy="grouped"), 3, split, ["a"] * 5 + ["b"] * 5, names)
