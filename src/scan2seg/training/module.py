"""The Lightning module: one step of training and validation of a segmentation model."""

from collections.abc import Callable
from typing import Any

import lightning
import torch
from torch import Tensor

from scan2seg import plugins
from scan2seg.augmentation.chain import build_chain
from scan2seg.checkpoint import SegmentationModel
from scan2seg.config.base import plugin_params
from scan2seg.config.recipe import Recipe
from scan2seg.device import autocast
from scan2seg.errors import InputError
from scan2seg.training.confusion import Confusion
from scan2seg.training.data import BatchLoader
from scan2seg.training.optimisation import make_optimizer, make_schedule
from scan2seg.training.processes import gather, rank

Loss = Callable[[Tensor, Tensor, Tensor | None], Tensor]
_ADVICE = "Lower optimizer.learning_rate or set training.gradient_clipping"


class DivergedError(InputError):
    """Loss or weights are no longer finite; ``epoch`` is the one whose good weights the model has again, if any."""

    epoch: int | None = None


class TrainingModule(lightning.LightningModule):
    """Trains a model with the losses, augmentations and pixel weights of its recipe."""

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
        super().__init__()
        self.model = model
        self.recipe = recipe
        self.loader = loader
        self.seed = seed
        self.losses = [_build_loss(settings, weights) for settings in recipe.loss]
        self.augment = build_chain(recipe.augmentation)
        self.weightings = [_build_weighting(settings) for settings in recipe.weighting]
        self.confusion = {part: Confusion(model.classes) for part in ("train", "validation")}
        self.sums: dict[str, list[Tensor]] = {"train_loss": [], "validation_loss": []}

    def on_train_epoch_start(self) -> None:
        """Seed everything from seed and epoch, so that a resumed run draws what an undisturbed one would have.

        Processes that train together draw differently.
        """
        self.loader.epoch = self.current_epoch
        self.confusion["train"].clear()
        # below 2^32, of which torch's generator on the CPU takes no more
        torch.manual_seed(self.seed * 1_000_003 + self.current_epoch + rank() * 61_803_399)

    def training_step(self, batch: Any, number: int) -> Tensor:
        """Return the loss of one batch.

        Raises:
            DivergedError: the loss is not finite; the message names the patches.
        """
        images, labels, indices, share = batch
        images, labels = self._prepare(images, labels)
        outputs = self.model.network(images)
        loss = self._loss(outputs, labels)
        if not torch.isfinite(loss):
            where = f"the loss became {loss.item()} in epoch {self.current_epoch + 1}, step {number + 1}"
            raise DivergedError(f"{where}, with the patches {self._name_patches(images, indices)}. {_ADVICE}")
        weighted: Tensor = loss * share
        self.sums["train_loss"].append(weighted.detach())
        if share:
            # of several levels the first is the finest
            self.confusion["train"].add(outputs[0] if isinstance(outputs, (list, tuple)) else outputs, labels)
        return weighted

    def measure_first_batch(self, device: str) -> Callable[[str], Tensor]:
        """Return a function that gives the loss of the first batch, in train mode, in the precision of a name.

        The random state is left as it was.
        """
        batch, labels, _, _ = next(iter(self.loader))
        self.train().to(torch.device(device))
        with torch.random.fork_rng():
            images, target = self._prepare(batch.to(device), labels.to(device))

        def measure(precision: str) -> Tensor:
            with autocast(device, precision):
                return self._loss(self.model.network(images), target)

        return measure

    def validation_step(self, batch: Any, number: int) -> None:
        """Add one batch to the validation loss and confusion matrix."""
        images, labels, _, share = batch
        outputs = self.model(images.contiguous(memory_format=self.model.memory_format))
        self.sums["validation_loss"].append(self._loss(outputs, labels) * share)
        if share:
            self.confusion["validation"].add(outputs, labels)

    def on_validation_epoch_end(self) -> None:
        """Log validation loss, accuracy and mean IoU, over all pixels of the epoch and the processes."""
        if self.trainer.sanity_checking:
            self.confusion["validation"].clear()
            self.sums["validation_loss"].clear()
            return
        self.log_dict({f"validation_{name}": value for name, value in self.confusion["validation"].take().items()})
        self.log("validation_loss", self._mean("validation_loss"))
        self.sums["validation_loss"].clear()

    def on_train_epoch_end(self) -> None:
        """Log the mean training loss and step a plateau schedule; both before the checkpoints are written.

        Raises:
            DivergedError: the last step made a weight infinite or not a number.
        """
        if not all(torch.isfinite(parameter).all() for parameter in self.model.parameters()):
            message = f"the weights became infinite or not a number in epoch {self.current_epoch + 1}"
            raise DivergedError(f"{message}. {_ADVICE}")
        loss = self.train_loss()
        self.log("train_loss", loss)
        self.sums["train_loss"].clear()
        schedule = self.lr_schedulers()
        if isinstance(schedule, torch.optim.lr_scheduler.ReduceLROnPlateau):
            schedule.step(float(self.trainer.callback_metrics.get("validation_loss", loss)))

    def train_loss(self) -> float:
        """Return the mean training loss of the epoch so far."""
        return self._mean("train_loss")

    def train_scores(self) -> dict[str, float]:
        """Return accuracy and mean IoU of the epoch's training batches, augmented and in train mode; count anew."""
        return {f"train_{name}": value for name, value in self.confusion["train"].take().items()}

    def configure_optimizers(self) -> Any:
        """Build optimizer and schedule."""
        optimizer = make_optimizer(self.recipe.optimizer, self.model.parameters())
        steps = int(self.trainer.estimated_stepping_batches)
        per_epoch = max(1, steps // max(int(self.trainer.max_epochs or 1), 1))
        return {
            "optimizer": optimizer,
            "lr_scheduler": make_schedule(self.recipe.schedule, optimizer, steps, per_epoch),
        }

    def _prepare(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Normalise and augment; the images come in the order in memory that the network is trained in.

        Outside mixed precision: the eight bits of a bfloat16 place a pixel of a rotated image to half a pixel only.
        """
        with torch.autocast(images.device.type, enabled=False):
            images = self.model.normalisation(images)
            images, labels = self.augment(images, labels)
        return images.contiguous(memory_format=self.model.memory_format), labels

    def _name_patches(self, images: Tensor, indices: Any) -> str:
        """Name the patches that are not finite themselves; where all are, the first of the batch."""
        bad = (~torch.isfinite(images).flatten(1).all(dim=1)).cpu().numpy()
        chosen = indices[bad] if bad.any() else indices
        named = "; ".join(self.loader.patches.describe(int(index)) for index in chosen[:4])
        return f"{named} and {len(chosen) - 4} more" if len(chosen) > 4 else named

    def _mean(self, name: str) -> float:
        """Return the mean of a loss over the steps and the processes, which all must call it."""
        means = gather(float(torch.stack(self.sums[name]).float().mean()))
        return sum(means) / len(means)

    def _loss(self, outputs: Tensor | list[Tensor], labels: Tensor) -> Tensor:
        target = labels.long()
        weights: Tensor | None = None
        levels = outputs if isinstance(outputs, (list, tuple)) else [outputs]
        with torch.autocast(labels.device.type, enabled=False):
            for weigh in self.weightings:
                factor = weigh(labels)
                weights = factor if weights is None else weights * factor
            terms = [weight * loss(level, target, weights) for level in levels for weight, loss in self.losses]
            return torch.stack(terms).sum() / len(levels)


def _build_loss(settings: dict[str, Any], weights: Tensor | None) -> tuple[float, Loss]:
    params = plugin_params("losses", settings)
    return params.weight, plugins.load("losses", settings["method"]).build(params, weights)


def _build_weighting(settings: dict[str, Any]) -> Callable[[Tensor], Tensor]:
    params = plugin_params("weighting", settings)
    weigh = plugins.load("weighting", settings["method"]).weigh
    return lambda labels: weigh(params, labels)
