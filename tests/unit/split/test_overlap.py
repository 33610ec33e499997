"""What is said of a split is counted on it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scan2seg.split import check_split, judge_split

PARTS = ("train", "validation", "test")


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 30), st.integers(0, 3)), min_size=2, max_size=30))
def test_the_counts_are_those_of_a_comparison_of_every_pair(images) -> None:
    groups, hashes = [group for group, _, _ in images], [str(content) for _, content, _ in images]
    split = {part: [i for i, image in enumerate(images) if image[2] == place] for place, part in enumerate(PARTS)}
    found = check_split(split, None, groups, hashes, ordered=False).get("test")
    seen, held = split["train"] + split["validation"], split["test"]
    if not seen or not held:
        assert found is None
        return
    assert (found.images, found.seen, found.repeated) == (len(held), len(seen), 0)
    assert found.equal == sum(any(hashes[i] == hashes[j] for j in seen) for i in held)
    if len(set(groups)) == len(groups):
        assert found.groups is found.shared_groups is found.neighbours is found.distance is None
        return
    assert found.shared_groups == len({groups[i] for i in held} & {groups[j] for j in seen})
    assert found.neighbours == sum(any(abs(i - j) == 1 and groups[i] == groups[j] for j in seen) for i in held)
    pairs = [abs(i - j) for i in held for j in seen if len(set(groups[min(i, j) : max(i, j) + 1])) == 1]
    assert found.distance == min(pairs, default=None)


@pytest.mark.parametrize(
    ("sides", "groups", "safe", "words"),
    [
        ([[0, 1], [2], [4, 5]], ["a"] * 6, None, "1 of 1 test groups (volumes, patients) stand on another side too; "),
        ([[0, 1], [2], [4, 5]], ["a"] * 6, None, "the nearest two of one volume are 2 images apart"),
        ([[0, 2], [4], [1, 5]], ["a"] * 6, False, "Of 2 test images 2 have a direct neighbour of the same volume"),
        ([[0, 1], [], [1, 2]], ["a", "b", "c"], False, "1 stand on another side too"),
        ([[0, 1], [], [2, 3]], ["a", "b", "c", "d"], None, "nothing is known of images of one sample or patient"),
        ([[0, 1], [], [2, 3]], ["a", "a", "b", "b"], True, "none of the 1 test groups (volumes, patients) is among"),
        ([[0], [1], [2, 3]], ["a", "a", "b", "b"], True, "Of 1 validation images 1 have a direct neighbour"),
        ([[0, 1], [], []], ["a", "b"], None, "nothing to compare"),
    ],
)
def test_the_verdict_claims_what_was_counted(sides, groups, safe, words: str) -> None:
    split = dict(zip(PARTS, sides, strict=True))
    found = judge_split(check_split(split, None, groups, [str(i) for i in range(len(groups))], ordered=False))
    assert found[0] is safe and words in found[1]


def test_equal_images_and_leaking_folds_are_told() -> None:
    split = {"train": [0, 1, 4], "validation": [2], "test": [3]}
    folds = [{"train": [0, 4], "validation": [1, 2]}]
    overlaps = check_split(split, folds, ["a", "a", "b", "c", "d"], list("uvwxx"), ordered=False)
    safe, words = judge_split(overlaps)
    assert safe is False and "1 equal an image of another side to the last pixel: the scores are too good" in words
    assert "Of 2 fold 1's validation images 1 have a direct neighbour" in words
    ordered = check_split(split, None, list("abcde"), None, ordered=True)["test"]
    assert ordered.equal is None and ordered.neighbours == 1 and ordered.shared_groups is None
