"""Places are evenly spread, none twice, and no more than asked for."""

import numpy as np
import pytest

from scan2seg.places import evenly, evenly_within


@pytest.mark.parametrize("total", range(1, 30))
@pytest.mark.parametrize("most", [2, 3, 5, 9, 40])
def test_places_are_evenly_spread_and_hold_both_ends(total: int, most: int) -> None:
    chosen = evenly(total, most)
    assert len(chosen) == min(total, most) and chosen == sorted(set(chosen))
    assert (chosen[0], chosen[-1]) == (0, total - 1)
    assert len(chosen) == 1 or np.ptp(np.diff(chosen)) <= 1


def test_one_is_the_middle_and_of_none_none() -> None:
    assert (evenly(100, 1), evenly(0, 1), evenly(0, 5)) == ([50], [], [])


def test_the_ends_are_left_out_where_there_are_others() -> None:
    assert [evenly_within(total, 3) for total in (1, 2, 3, 9)] == [[0], [0, 1], [1], [2, 4, 6]]
