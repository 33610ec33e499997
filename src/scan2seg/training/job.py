"""One training: the data, the recipe, and what the machine gives."""

from pathlib import Path

from scan2seg.config.base import Settings
from scan2seg.config.recipe import Recipe

CHECKPOINT_MINUTES = 10.0


class TrainingJob(Settings):
    """What ``train_model`` is to do; JSON, so that the processes of one training are told of it."""

    patches: Path
    """The patch store."""
    split: Path
    """split.json."""
    output: Path
    """The run's folder."""
    recipe: Recipe
    """Of the model."""
    replicate: str = "seed0"
    """Such as ``seed0`` or ``fold2-seed0``: the seed of weights, order, augmentation and dropout, and the
    cross-validation fold."""
    threads: int = 1
    """Processor cores, of all processes together."""
    checkpoint_minutes: float = CHECKPOINT_MINUTES
    """Between two states within an epoch; several processes keep theirs after each epoch."""
    encoder: Path | None = None
    """encoder.safetensors of ``pretrain_encoder``, from which the encoder starts."""
    stack: Path | None = None
    """With ``encoder``: the images, for a check that none to be scored on was pre-trained on."""
