"""The window with most foreground, against all windows counted one by one."""

from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from scan2seg.config.images import ImageSource
from scan2seg.cropping import crop_to_foreground
from scan2seg.stack import assemble_stack
from scan2seg.storage import open_store


@given(st.integers(1, 9), st.integers(1, 9), st.data())
@settings(deadline=None, max_examples=60)
def test_the_window_is_the_first_with_most_foreground(height: int, width: int, data: st.DataObject) -> None:
    rows, columns = data.draw(st.integers(height, 12)), data.draw(st.integers(width, 12))
    rng = np.random.default_rng(data.draw(st.integers(0, 999)))
    label = rng.choice([0, 0, 1, 2, 255], (rows, columns)).astype(np.uint8)
    pixels = np.stack([np.arange(rows * columns).reshape(rows, columns)] * 2)
    cut, held = crop_to_foreground(pixels, label, (height, width))
    row, column = divmod(int(cut[0, 0, 0]), columns)
    assert np.array_equal(cut, pixels[:, row : row + height, column : column + width])
    assert np.array_equal(held, label[row : row + height, column : column + width])

    def count(top: int, left: int) -> int:
        part = label[top : top + height, left : left + width]
        return int(((part > 0) & (part < 255)).sum())

    places = [(top, left) for top in range(rows - height + 1) for left in range(columns - width + 1)]
    best = max(places, key=lambda place: count(*place))
    middle = ((rows - height) // 2, (columns - width) // 2)
    assert (row, column) == (best if count(*best) else middle)


def test_a_stack_of_crops_has_their_size_and_no_filling(tmp_path: Path) -> None:
    label = np.zeros((30, 40), np.uint8)
    label[18:24, 25:35] = 1
    Image.fromarray(label * 9 + np.arange(40, dtype=np.uint8)).save(tmp_path / "a.png")
    Image.fromarray(label).save(tmp_path / "a_mask.png")
    pattern = {"images": str(tmp_path / "a.png"), "labels": str(tmp_path / "a_mask.png")}
    source = ImageSource(kind="images", **pattern, foreground_crop=[10, 64])
    assemble_stack(source, tmp_path / "stack.zarr", classes=["a", "b"])
    store = open_store(tmp_path / "stack.zarr")
    assert np.asarray(store["size"]).tolist() == [[10, 40]]
    assert np.array_equal(np.asarray(store["label"])[0], label[14:24])
    assert np.array_equal(np.asarray(store["image"])[0, 0], (label * 9 + np.arange(40))[14:24])
