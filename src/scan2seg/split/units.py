"""Images that must not be parted."""

from collections import defaultdict
from collections.abc import Sequence


def make_units(kept: Sequence[int], keys: Sequence[str]) -> list[list[int]]:
    """Join images of one key, such as their hash or group, in the order in which the keys first occur.

    Args:
        kept: image indices.
        keys: of every image of the stack.
    """
    units: dict[str, list[int]] = defaultdict(list)
    for index in kept:
        units[keys[index]].append(index)
    return list(units.values())


def every_image_is_a_group(groups: Sequence[str]) -> bool:
    """Tell whether nothing is known of which images belong together."""
    return len(set(groups)) == len(groups)
