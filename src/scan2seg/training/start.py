"""Where a model's training starts: from an encoder that was pre-trained on images, if the recipe asks for it."""

from pathlib import Path
from typing import Any

from scan2seg.config.recipe import Recipe
from scan2seg.encoders.weights import file_hash
from scan2seg.errors import InputError
from scan2seg.storage import open_store, read_json


def start_from(recipe: Recipe, encoder: Path, stack: Path, split: Path) -> tuple[Recipe, dict[str, Any]]:
    """Let a recipe start from the weights that ``pretrain_encoder`` wrote.

    Args:
        recipe: of the model.
        encoder: encoder.safetensors, with pretraining.json beside it.
        stack: of the images that the model is scored on.
        split: split.json of that stack.

    Returns:
        The recipe whose ``architecture.pretrained`` is the file, with its hash, so that other weights are another
        recipe; and what the pre-training was.

    Raises:
        InputError: an image that the model will be scored on was pre-trained on.
    """
    facts: dict[str, Any] = read_json(encoder.with_name("pretraining.json"))
    attrs: dict[str, Any] = open_store(stack).attrs.asdict()
    seen = set(facts["image_hashes"])
    known = [attrs["names"][index] for index in read_json(split)["test"] if attrs["hashes"][index] in seen]
    if known:
        raise InputError(
            f"pretraining.dataset: {facts['dataset']} holds {len(known)} of the test images, such as {known[0]}; "
            "take them out of its source, or the scores would not be of unseen images"
        )
    architecture = recipe.architecture.change(pretrained=str(encoder), sha256=file_hash(encoder))
    keys = ("dataset", "images", "patches", "epochs", "seconds", "device", "precision")
    return recipe.model_copy(update={"architecture": architecture}), {key: facts[key] for key in keys}
