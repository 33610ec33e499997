"""Images that must not be parted: equal by hash, or of one group."""

from collections import defaultdict
from collections.abc import Sequence


def make_units(kept: Sequence[int], hashes: Sequence[str], groups: Sequence[str] | None) -> list[list[int]]:
    """Join images that must stay together: equal by hash or of one group, through any chain of both.

    Args:
        kept: image indices.
        hashes: of every image of the stack.
        groups: of every image, where groups stay together; otherwise None.
    """
    parent = {index: index for index in kept}

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    first: dict[tuple[str, str], int] = {}
    for index in kept:
        keys = [("hash", hashes[index])] + ([("group", groups[index])] if groups is not None else [])
        for key in keys:
            parent[root(index)] = root(first.setdefault(key, index))
    units: dict[int, list[int]] = defaultdict(list)
    for index in kept:
        units[root(index)].append(index)
    return list(units.values())


def every_image_is_a_group(groups: Sequence[str]) -> bool:
    """Tell whether nothing is known of which images belong together."""
    return len(set(groups)) == len(groups)
