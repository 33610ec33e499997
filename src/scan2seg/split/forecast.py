"""What can be known of a split before any pixel is read: from names, groups and parts."""

from collections.abc import Sequence

from scan2seg.config.split import PARTS, SplitSettings
from scan2seg.sources import Item
from scan2seg.split.folds import make_folds
from scan2seg.split.overlap import check_split, judge_split
from scan2seg.split.parts import Split, make_split
from scan2seg.split.units import every_image_is_a_group


def forecast_split(
    settings: SplitSettings, items: Sequence[Item], folds: int | None = None
) -> tuple[Split, list[Split] | None]:
    """Divide images as the job will, as if no two were equal and none empty.

    Raises:
        InputError: the split, or its folds, are impossible.
    """
    names, groups = [item.name for item in items], [item.group for item in items]
    split = make_split(settings, names, groups, names, [item.part for item in items], range(len(items)))
    return split, make_folds(settings, folds, split, groups, names) if folds else None


def describe_forecast(settings: SplitSettings, items: Sequence[Item], folds: int | None = None) -> list[str]:
    """Return lines: images and groups a part and a fold, what the sides share, and what is not known yet.

    Raises:
        InputError: the split, or its folds, are impossible.
    """
    split, divided = forecast_split(settings, items, folds)
    groups = [item.group for item in items]
    known = not every_image_is_a_group(groups)
    examples = list(dict.fromkeys(groups))
    lines = [f"split {settings.strategy}: {len(items)} images" + (", no groups known" if not known else "")]
    if known:
        lines[0] += f" of {len(examples)} groups: {', '.join(examples[:3])}{'...' if len(examples) > 3 else ''}"
    sides = [(part, split[part]) for part in PARTS]
    sides += [("in no part", sorted(set(range(len(items))).difference(*split.values())))]
    for number, fold in enumerate(divided or [], 1):
        sides += [(f"fold {number} {part}", fold[part]) for part in ("train", "validation")]
    for name, indices in (side for side in sides if side[1]):
        of = f" of {len({groups[index] for index in indices})} groups" if known else ""
        lines.append(f"  {name}: {len(indices)} images{of}")
    overlaps = check_split(split, divided, groups, None, ordered=settings.strategy == "blocked")
    lines.append(f"  {judge_split(overlaps)[1]}")
    unknown = ["which images are equal by hash"] + (["which are empty (drop_empty)"] if settings.drop_empty else [])
    lines.append(f"  Known when the stack is made, and may change the numbers: {', '.join(unknown)}.")
    return lines
