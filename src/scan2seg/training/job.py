"""One training as its processes are told of it: the data, the recipe, and what the machine gives."""

from pathlib import Path

from scan2seg.config.base import Settings
from scan2seg.config.recipe import Recipe


class TrainingJob(Settings):
    """The arguments of ``train_model``; see there."""

    patches: Path
    """The patch store."""
    split: Path
    """split.json."""
    output: Path
    """The run's folder."""
    recipe: Recipe
    """Of the model."""
    replicate: str = "seed0"
    """Seed and fold."""
    threads: int = 1
    """Processor cores of one process."""
    checkpoint_minutes: float
    """Between two states within an epoch."""
    encoder: Path | None = None
    """The encoder to start from."""
    stack: Path | None = None
    """With an encoder: the images that it must not have been pre-trained on."""
