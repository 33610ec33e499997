"""The confusion matrix as a small picture, drawn in a few milliseconds, for a run has one each."""

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

CELL, MARGIN, GAP = 62, 12, 8
DARK = np.array([8, 48, 107])
INK, PAPER = (20, 20, 20), (255, 255, 255)


def draw_confusion(matrix: NDArray[np.int64], classes: Sequence[str]) -> bytes:
    """Return a PNG: rows are the truth, columns the prediction, each cell its share of the row in percent.

    Args:
        matrix: pixels (k, k), the truth in rows; a row without pixels stays empty.
        classes: k names.
    """
    font, small = ImageFont.load_default(15), ImageFont.load_default(13)
    total = matrix.sum(axis=1, keepdims=True)
    share = np.divide(matrix, total, out=np.zeros(matrix.shape), where=total > 0)
    names = [_draw_name(name, font) for name in classes]
    left = MARGIN + max(name.width for name in names) + GAP
    # the names of the columns are upright where they fit, else on their side
    turned = [name.rotate(90, expand=True) if name.width > CELL else name for name in names]
    top = MARGIN + 20 + max(name.height for name in turned) + GAP
    side = CELL * len(classes)
    picture = Image.new("RGB", (max(left + side, 300) + MARGIN, top + side + MARGIN), PAPER)
    draw = ImageDraw.Draw(picture)
    draw.text((MARGIN, MARGIN), "rows: truth, columns: prediction, % of row", INK, small)
    for place, (name, upright) in enumerate(zip(names, turned, strict=True)):
        middle = round(CELL * (place + 0.5))
        picture.paste(name, (left - GAP - name.width, top + middle - name.height // 2))
        picture.paste(upright, (left + middle - upright.width // 2, top - GAP - upright.height))
    for (row, column), value in np.ndenumerate(share):
        x, y = left + CELL * column, top + CELL * row
        colour = tuple(int(level) for level in np.rint(255 + (DARK - 255) * value))
        draw.rectangle((x, y, x + CELL - 2, y + CELL - 2), fill=colour)
        words = f"{100 * value:.1f}" if total[row, 0] else "-"
        draw.text((x + CELL / 2, y + CELL / 2), words, PAPER if value > 0.5 else INK, font, anchor="mm")
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def _draw_name(text: str, font: "ImageFont.FreeTypeFont | ImageFont.ImageFont") -> Image.Image:
    low, _, right, bottom = font.getbbox(text)
    name = Image.new("RGB", (max(int(right - low), 1) + 2, max(int(bottom), 1) + 4), PAPER)
    ImageDraw.Draw(name).text((1 - low, 1), text, INK, font)
    return name
