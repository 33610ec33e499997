"""A picture of augmented patches with their labels, as training sees them."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from scan2seg.augmentation.chain import build_chain
from scan2seg.config.recipe import Recipe
from scan2seg.errors import InputError
from scan2seg.ignore import IGNORE
from scan2seg.normalisation import fit_normalisation
from scan2seg.replacement import replacing
from scan2seg.standardisation import standardise
from scan2seg.storage import open_store


def preview_augmentation(patches: Path, recipe: Recipe, output: Path, *, seed: int = 0, count: int = 6) -> None:
    """Write a PNG: a row a training patch, the patch itself at the left and three augmented versions of it.

    Labels are drawn as outlines' fill over the image, ignored pixels in white. Of volumes the middle slice is drawn.

    Args:
        patches: the patch store of the recipe's patching.
        recipe: of the model.
        output: the PNG file.
        seed: of the choice of patches and of the augmentation.
        count: how many patches.

    Raises:
        InputError: the store is missing or holds no training patches.
    """
    store = open_store(patches)
    train = np.flatnonzero(np.asarray(store["split"]) == 0)
    if train.size == 0:
        raise InputError(f"{patches}: holds no training patches")
    chosen = np.sort(np.random.default_rng(seed).choice(train, min(count, train.size), replace=False))
    image: Any = store["image"]
    label: Any = store["label"]
    encoder = recipe.architecture.get("encoder")
    normalisation = fit_normalisation(recipe.normalisation, image, train.tolist(), encoder)
    pixels = [np.asarray(image[int(index)]) for index in chosen]
    if normalisation.per_image:
        known: Any = store["statistics"]
        pixels = [standardise(each, np.asarray(known[int(index)])) for each, index in zip(pixels, chosen, strict=True)]
    images = torch.from_numpy(np.stack(pixels))
    labels = torch.from_numpy(np.stack([np.asarray(label[int(index)]) for index in chosen]))
    columns = [(normalisation(images), labels)]
    augment = build_chain(recipe.augmentation)
    torch.manual_seed(seed)
    for _ in range(3):
        columns.append(augment(*columns[0]))
    if images.ndim == 5:
        middle = images.shape[2] // 2
        columns = [(changed[:, :, middle], changed_labels[:, middle]) for changed, changed_labels in columns]
    _draw(columns, list(store.attrs["classes"]), output)  # type: ignore[arg-type]


def _draw(columns: list[tuple[torch.Tensor, torch.Tensor]], classes: list[Any], output: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import colormaps
    from matplotlib import pyplot as plt
    from matplotlib.lines import Line2D

    rows = len(columns[0][0])
    low, high = (float(columns[0][0].quantile(share)) for share in (0.01, 0.99))
    figure, axes = plt.subplots(rows, 8, figsize=(16, 2 * rows), squeeze=False, layout="constrained")
    colours = colormaps["tab10"]
    for column, (images, labels) in enumerate(columns):
        for row in range(rows):
            axes[row, 2 * column].imshow(images[row].mean(0), cmap="gray", vmin=low, vmax=high)
            painted = np.array([colours(int(value) % 10)[:3] for value in labels[row].flatten()])
            painted[labels[row].flatten() == IGNORE] = 1.0
            axes[row, 2 * column + 1].imshow(painted.reshape(*labels[row].shape, 3))
        axes[0, 2 * column].set_title("patch" if column == 0 else f"augmented {column}")
        axes[0, 2 * column + 1].set_title("label")
    for axis in axes.flat:
        axis.set_axis_off()
    marks: list[Any] = [
        Line2D([], [], marker="s", ls="", color=colours(index % 10), label=name) for index, name in enumerate(classes)
    ]
    figure.legend(handles=marks, loc="outside lower center", ncols=min(len(classes), 8))
    with replacing(output) as partial:
        figure.savefig(partial, dpi=80, format="png")
    plt.close(figure)
