"""No split leaks: shown on arbitrary datasets, not on examples."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from scan2seg.config.split import PARTS, Lists, Shares, SplitSettings
from scan2seg.errors import InputError
from scan2seg.split import make_split

DATASETS = st.integers(3, 60).flatmap(
    lambda count: st.tuples(
        st.lists(st.integers(0, 9), min_size=count, max_size=count),
        st.lists(st.integers(0, 40), min_size=count, max_size=count),
    )
)


def split_of(chosen: SplitSettings, groups: list[int], contents: list[int], parts=None) -> dict[str, list[int]]:
    count = len(groups)
    names = [f"image{index}" for index in range(count)]
    try:
        return make_split(
            chosen, names, [str(g) for g in groups], [str(c) for c in contents], parts or [None] * count, range(count)
        )
    except InputError:
        assume(False)
        raise


def sides_of(split: dict[str, list[int]], keys: list[int]) -> list[set[int]]:
    return [{keys[index] for index in split[part]} for part in PARTS]


def assert_disjoint(sides: list[set[int]]) -> None:
    assert not sides[0] & sides[1] and not sides[0] & sides[2] and not sides[1] & sides[2]


@settings(max_examples=150, deadline=None)
@given(DATASETS, st.sampled_from(["random", "blocked", "grouped"]), st.integers(0, 3), st.integers(0, 5))
def test_equal_images_stand_on_one_side_and_none_twice(dataset, strategy: str, gap: int, seed: int) -> None:
    groups, contents = dataset
    split = split_of(SplitSettings(strategy=strategy, gap=gap, seed=seed), groups, contents)
    assert_disjoint(sides_of(split, contents))
    assert_disjoint(sides_of(split, list(range(len(groups)))))
    assert split["train"] and split["test"]
    if strategy == "grouped":
        assert_disjoint(sides_of(split, groups))


SHARES = st.tuples(st.integers(1, 12), st.integers(0, 8), st.integers(1, 8), st.integers(0, 6)).map(
    lambda parts: Shares(**{part: parts[place] / sum(parts) for place, part in enumerate(PARTS)})
)


@settings(max_examples=300, deadline=None)
@given(st.integers(4, 90), SHARES, st.integers(0, 6), st.data())
def test_blocks_are_contiguous_with_a_gap_between_them(count: int, shares: Shares, gap: int, data) -> None:
    kept = sorted(data.draw(st.sets(st.integers(0, count - 1), min_size=3)))
    names = [str(index) for index in range(count)]
    chosen = SplitSettings(strategy="blocked", fractions=shares, gap=gap)
    try:
        split = make_split(chosen, names, names, names, [None] * count, kept)
    except InputError as error:
        if "would be empty" not in str(error):
            raise
        return
    ends = []
    for part in PARTS:
        assert bool(split[part]) == (getattr(shares, part) > 0)
        if split[part]:
            first, last = kept.index(split[part][0]), kept.index(split[part][-1])
            assert split[part] == kept[first : last + 1]
            assert not ends or split[part][0] - ends[-1] > gap
            ends.append(split[part][-1])


def test_eleven_images_in_half_a_fifth_and_a_fifth_keep_their_gap() -> None:
    """Rounding 5.5 to the even 6 and 7.7 to 8 used to eat the gap that the spare images were to give."""
    shares = Shares(train=0.5, validation=0.2, test=0.2)
    split = split_of(SplitSettings(strategy="blocked", fractions=shares, gap=1), list(range(11)), list(range(11)))
    assert split == {"train": [0, 1, 2, 3, 4, 5], "validation": [7], "test": [9, 10]}


@settings(max_examples=100, deadline=None)
@given(DATASETS, SHARES, st.sampled_from(["random", "grouped", "blocked"]), st.integers(0, 3))
def test_a_part_that_was_asked_for_is_never_empty(dataset, shares: Shares, strategy: str, gap: int) -> None:
    split = split_of(SplitSettings(strategy=strategy, fractions=shares, gap=gap), *dataset)
    assert [bool(split[part]) for part in PARTS] == [getattr(shares, part) > 0 for part in PARTS]


def test_groups_of_one_image_each_keep_nothing_together() -> None:
    names = [str(index) for index in range(20)]
    with pytest.raises(InputError, match=r"every image is a group of its own.*source\.groups"):
        make_split(SplitSettings(strategy="grouped"), names, names, names, [None] * 20, range(20))


@settings(max_examples=60, deadline=None)
@given(st.integers(10, 700), st.integers(0, 99))
def test_random_parts_have_the_asked_shares(count: int, seed: int) -> None:
    split = split_of(SplitSettings(seed=seed), list(range(count)), list(range(count)))
    for part, share in zip(PARTS, (0.6, 0.2, 0.2), strict=True):
        assert abs(len(split[part]) - share * count) <= 1
    assert split == split_of(SplitSettings(seed=seed), list(range(count)), list(range(count)))


def test_counts_and_given_lists() -> None:
    split = split_of(SplitSettings(counts=Shares(train=5, validation=2, test=3)), list(range(12)), list(range(12)))
    assert [len(split[part]) for part in PARTS] == [5, 2, 3]
    lists = Lists(train=["image2", "image0"], test=["image1"])
    split = split_of(SplitSettings(strategy="given", lists=lists), [0] * 3, [0, 1, 2])
    assert split == {"train": [0, 2], "validation": [], "test": [1]}


def test_gaps_are_taken_from_images_that_are_in_no_part() -> None:
    counts = Shares(train=620, validation=10, test=200)
    split = split_of(SplitSettings(strategy="blocked", counts=counts, gap=2), [0] * 840, list(range(840)))
    assert [len(split[part]) for part in PARTS] == [620, 10, 200]
    assert split["validation"][0] == 622 and split["test"][0] == 634
    tight = split_of(SplitSettings(strategy="blocked", counts=counts, gap=2), [0] * 831, list(range(831)))
    assert [len(tight[part]) for part in PARTS] == [619, 8, 200]
    assert tight["validation"][0] - tight["train"][-1] == 3 and tight["test"][0] - tight["validation"][-1] == 3
    names = [str(index) for index in range(829)]
    with pytest.raises(InputError, match="830 images are asked for, there are 829"):
        make_split(SplitSettings(strategy="blocked", counts=counts), names, names, names, [None] * 829, range(829))


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 30), st.sampled_from(["random", "blocked"]))
def test_fewer_training_images_leave_the_other_parts_as_they_are(limit: int, strategy: str) -> None:
    whole = split_of(SplitSettings(strategy=strategy), list(range(60)), list(range(60)))
    few = split_of(SplitSettings(strategy=strategy, training_images=limit), list(range(60)), list(range(60)))
    assert few["validation"] == whole["validation"] and few["test"] == whole["test"]
    assert len(set(few["train"])) == limit and set(few["train"]) <= set(whole["train"])
    places = [whole["train"].index(index) for index in few["train"]]
    assert max(np.diff([-0.5, *places]), default=0) <= len(whole["train"]) / limit + 1


def test_a_given_test_image_that_is_also_a_training_image_is_left_out_of_training() -> None:
    split = split_of(
        SplitSettings(strategy="given", lists=Lists(train=["image0", "image1"], test=["image2"])), [0] * 3, [5, 6, 5]
    )
    assert split == {"train": [1], "validation": [], "test": [2]}


def test_volumes_that_share_an_empty_slice_are_not_chained_to_each_other() -> None:
    """The first slice of each of ten volumes is black: volumes stay whole but for it, and it is on one side."""
    groups = [place // 6 for place in range(60)]
    contents = [0 if place % 6 == 0 else place for place in range(60)]
    split = split_of(SplitSettings(strategy="grouped"), groups, contents)
    assert_disjoint(sides_of(split, groups))
    assert_disjoint(sides_of(split, contents))
    assert [len(split[part]) for part in PARTS] == [30, 10, 12]


@pytest.mark.parametrize("strategy", ["random", "blocked", "grouped"])
def test_one_image_cannot_be_divided(strategy: str) -> None:
    with pytest.raises(InputError, match=r"would be empty|group of its own"):
        make_split(SplitSettings(strategy=strategy), ["a"], ["a"], ["a"], [None], [0])


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        (SplitSettings(counts=Shares(train=9, validation=9, test=9)), "27 images are asked for, there are 4"),
        (SplitSettings(strategy="blocked", gap=50), "lower the gap"),
        (SplitSettings(training_images=5), "5 are asked for, the split has 2"),
        (SplitSettings(strategy="given", lists=Lists(train=["nobody"], test=["image0"])), "no image 'nobody'"),
        (SplitSettings(strategy="given", lists=Lists(train=["image0"], test=["image0"])), "is in two parts"),
    ],
)
def test_impossible_splits_say_why(chosen: SplitSettings, message: str) -> None:
    names = [f"image{index}" for index in range(4)]
    with pytest.raises(InputError, match=message):
        make_split(chosen, names, names, names, [None] * 4, range(4))
