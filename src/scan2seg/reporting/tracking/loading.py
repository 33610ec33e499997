"""What MLflow calls to load one of our models: the checkpoint as ``scan2seg`` reads it, nothing pickled, no other code.

MLflow's ``MLmodel`` file names this module, so ``mlflow.pyfunc.load_model`` needs scan2seg installed.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scan2seg import storage
from scan2seg.config.training import InferenceSettings

if TYPE_CHECKING:
    from scan2seg.inference.tiling import Predictor

CHECKPOINT, INFERENCE = "checkpoint.pt", "inference.json"


class Segmenter:
    """A trained model as MLflow calls it."""

    def __init__(self, predictor: "Predictor") -> None:
        """Keep the loaded model."""
        self.predictor = predictor

    def predict(self, images: NDArray[np.float32], params: dict[str, Any] | None = None) -> NDArray[np.uint8]:
        """Return labels (n, *spatial) of images (n, c, *spatial) in their own grey values; the classes' order is that
        of the model's metadata."""
        labels = [self.predictor.predict(np.asarray(image)).argmax(dim=0).cpu().numpy() for image in images]
        return np.stack(labels).astype(np.uint8)


def _load_pyfunc(path: str) -> Segmenter:
    """Load the model of a folder with a checkpoint, read with ``weights_only=True``, and its inference settings.

    Raises:
        InputError: the checkpoint is damaged or not ours.
    """
    from scan2seg.inference.tiling import Predictor

    inference = InferenceSettings.model_validate(storage.read_json(Path(path, INFERENCE)))
    return Segmenter(Predictor(Path(path, CHECKPOINT), inference))
