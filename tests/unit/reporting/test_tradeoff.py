"""The Pareto front, against its definition."""

from hypothesis import given
from hypothesis import strategies as st

from scan2seg.reporting.tradeoff import pareto_front

places = st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9)), min_size=1, max_size=12)


@given(places)
def test_a_point_is_on_the_front_just_when_none_beats_it(found):
    points = [(float(cost), float(score), str(place)) for place, (cost, score) in enumerate(found)]
    front = {point[2] for point in pareto_front(points)}
    for cost, score, name in points:
        beaten = any(c <= cost and s >= score and (c < cost or s > score) for c, s, _ in points)
        assert (name in front) == (not beaten)
