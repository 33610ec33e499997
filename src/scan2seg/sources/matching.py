"""Which label belongs to which image, by their names."""

from collections.abc import Iterable, Mapping
from typing import TypeVar

from scan2seg.errors import InputError
from scan2seg.logging import warn

Image = TypeVar("Image")
Label = TypeVar("Label")


def match(
    images: Mapping[str, Image],
    labels: Mapping[str, Label],
    key: str,
    suffix: str | None = None,
    unmatched: str = "refuse",
) -> dict[str, tuple[Image, Label]]:
    """Match images to labels by name, where a label's name may carry a suffix.

    Args:
        images: name to image; kept in this order.
        labels: name to label.
        key: of the configuration, for messages.
        suffix: what a label's name has behind the image's; None finds it.
        unmatched: ``refuse``, or ``skip``, which leaves out what has no partner and names it.

    Raises:
        InputError: the names of images without labels, and of labels without images.
    """
    suffix = _find_suffix(images, labels) if suffix is None else suffix
    pairs = {name: (image, labels[name + suffix]) for name, image in images.items() if name + suffix in labels}
    missing = [name for name in images if name not in pairs]
    used = {name + suffix for name in pairs}
    spare = [name for name in labels if name not in used]
    if unmatched == "skip" and pairs:
        if missing:
            warn("%s: left out for they have no label: %s", key, ", ".join(missing))
        if spare:
            warn("%s: left out for they have no image: %s", key, ", ".join(spare))
        return pairs
    advice = "correct the names, set label_suffix, or leave them out with unmatched: skip"
    if missing:
        among = f"the labels are {_shown(labels)}, suffix '{suffix}'"
        raise InputError(f"{key}: no label for {_shown(missing)}; {among}; {advice}")
    if spare:
        raise InputError(f"{key}: no image for the labels {_shown(spare)}; {advice}")
    return pairs


def _find_suffix(images: Iterable[str], labels: Mapping[str, Label]) -> str:
    """Find the suffix with which most images have a label; the shortest of several, and none before any."""
    names = list(images)
    candidates = {""}
    for first in names[:20]:
        candidates |= {name[len(first) :] for name in labels if name.startswith(first)}
    counts = {suffix: sum(name + suffix in labels for name in names) for suffix in candidates}
    return max(sorted(counts, key=lambda suffix: (len(suffix), suffix)), key=lambda suffix: counts[suffix])


def _shown(names: Iterable[str]) -> str:
    listed = list(names)
    return ", ".join(listed[:5]) + (f" and {len(listed) - 5} more" if len(listed) > 5 else "")
