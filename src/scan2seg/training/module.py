"""The training of a segmentation model: the loss of a batch of labelled patches, and validation."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from scan2seg.augmentation.chain import build_chain
from scan2seg.checkpoint import SegmentationModel
from scan2seg.config.base import Chosen
from scan2seg.config.recipe import Recipe
from scan2seg.training.confusion import Confusion
from scan2seg.training.data import BatchLoader
from scan2seg.training.learner import Learner, Outputs
from scan2seg.training.pixel_weights import PixelWeights

Loss = Callable[[Tensor, Tensor, Tensor | None], Tensor]


class TrainingModule(Learner):
    """Trains a model with the losses, augmentations and pixel weights of its recipe."""

    ADVICE = "Lower optimizer.learning_rate or set training.gradient_clipping"

    model: SegmentationModel

    def __init__(
        self,
        model: SegmentationModel,
        recipe: Recipe,
        loader: BatchLoader,
        seed: int,
        weights: Tensor | None = None,
    ) -> None:
        """Build the losses and augmentations that the recipe names.

        Args:
            model: normalisation and network.
            recipe: of the model.
            loader: training batches, to name the patches of a bad batch.
            seed: of everything random in training.
            weights: of the classes, or None.
        """
        super().__init__(recipe.architecture.method, model, loader, seed, recipe.optimizer, recipe.schedule)
        self.losses = [_build_loss(settings, weights) for settings in recipe.loss]
        self.augment = build_chain(recipe.augmentation)
        self.pixel_weights = {
            multiplied: PixelWeights(recipe.weighting, weights if multiplied else None)
            for multiplied in {multiplied for _, multiplied, _ in self.losses}
        }
        self.confusion = {part: Confusion(model.classes) for part in ("train", "validation")}

    @property
    def network(self) -> nn.Module:
        """The model without its normalisation."""
        return self.model.network

    @property
    def memory_format(self) -> torch.memory_format:
        """The order in memory that the model's convolutions are fastest in."""
        return self.model.memory_format

    def prepare(self, images: Tensor, labels: Tensor) -> tuple[Tensor, ...]:
        """Normalise and augment images and labels."""
        images = self.model.normalisation(images)
        images, labels = self.augment(images, labels)
        return images.contiguous(memory_format=self.memory_format), labels

    def on_train_epoch_start(self) -> None:
        """Start to count the epoch's pixels, too."""
        self.confusion["train"].clear()
        super().on_train_epoch_start()

    def epoch_state(self) -> dict[str, Any]:
        """Return the means and the pixels that were counted so far."""
        return {**super().epoch_state(), "pixels": self.confusion["train"].counts.clone()}

    def load_epoch(self, state: dict[str, Any]) -> None:
        """Go on counting from there."""
        super().load_epoch(state)
        self.confusion["train"].counts.copy_(state["pixels"])

    def count_batch(self, outputs: Outputs, *targets: Tensor) -> None:
        """Count the pixels of a training batch; of several levels the first is the finest."""
        self.confusion["train"].add(outputs[0] if isinstance(outputs, (list, tuple)) else outputs, targets[0])

    def train_scores(self) -> dict[str, float]:
        """Return accuracy and mean IoU of the epoch's training batches, augmented and in train mode; count anew."""
        return {f"train_{name}": value for name, value in self.confusion["train"].take().items()}

    def validation_step(self, batch: Any, number: int) -> None:
        """Add one batch to the validation loss and confusion matrix."""
        images, labels, _, share = batch
        outputs = self.model(images.contiguous(memory_format=self.memory_format))
        self.sums["validation_loss"].append(self.compute_loss(outputs, labels) * share)
        if share:
            self.confusion["validation"].add(outputs, labels)

    def on_validation_epoch_end(self) -> None:
        """Log validation loss, accuracy and mean IoU, over all pixels of the epoch and the processes."""
        if self.trainer.sanity_checking:
            self.confusion["validation"].clear()
            self.sums["validation_loss"].clear()
            return
        self.log_dict({f"validation_{name}": value for name, value in self.confusion["validation"].take().items()})
        self.log("validation_loss", self.mean_loss("validation_loss"))
        self.sums["validation_loss"].clear()

    def compute_loss(self, outputs: Outputs, *targets: Tensor) -> Tensor:
        """Return the sum of the losses against the labels (N, *spatial), the mean over the levels of the outputs."""
        (labels,) = targets
        target = labels.long()
        levels = outputs if isinstance(outputs, (list, tuple)) else [outputs]
        with torch.autocast(labels.device.type, enabled=False):
            weights = {multiplied: weigh(labels) for multiplied, weigh in self.pixel_weights.items()}
            terms = [
                weight * loss(level, target, weights[multiplied])
                for level in levels
                for weight, multiplied, loss in self.losses
            ]
            return torch.stack(terms).sum() / len(levels)


def _build_loss(chosen: Chosen, weights: Tensor | None) -> tuple[float, bool, Loss]:
    """Return the loss with its factor, and whether it multiplies the weights of pixels with those of their classes."""
    multiplied = getattr(chosen.module, "CLASSES_WEIGH_PIXELS", False)
    return chosen.get("weight"), multiplied, chosen.module.build(chosen.parameters, weights)
