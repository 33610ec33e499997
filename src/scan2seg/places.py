"""Which of many are looked at, where all would be too many."""

import numpy as np


def evenly(total: int, most: int) -> list[int]:
    """Return at most ``most`` of ``total`` places, rising, evenly spread with both ends; one alone is the middle."""
    if most == 1:
        return [total // 2] if total else []
    return [int(place) for place in np.linspace(0, total - 1, min(total, most)).round()]


def evenly_within(total: int, most: int) -> list[int]:
    """Return at most ``most`` of ``total`` places, evenly spread without the ends, where there are others."""
    places = evenly(total, most + 2)
    return places[1:-1] or places
