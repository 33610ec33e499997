"""What every training has in common: its seeds, the means of its loss, its optimizer, what happens when it diverges."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import lightning
import torch
from torch import Tensor, nn

from scan2seg.config.training import OptimizerSettings, ScheduleSettings
from scan2seg.depthwise import fast_gradients
from scan2seg.device import autocast
from scan2seg.errors import InputError
from scan2seg.training.data import BatchLoader
from scan2seg.training.optimisation import make_optimizer, make_schedule
from scan2seg.training.processes import gather, rank

Outputs = Tensor | list[Tensor]
"""Of a network: logits, in train mode perhaps of several levels, or reconstructed images."""


class DivergedError(InputError):
    """Loss or weights are no longer finite; ``epoch`` is the one whose good weights the model has again, if any."""

    epoch: int | None = None


class Learner(lightning.LightningModule):
    """A model that learns from patches; ``run_loop`` trains any, whatever its loss."""

    SECTION = "training"
    """Of the recipe, where its batch size stands."""
    ADVICE = ""
    """What to do when it diverges."""

    model: nn.Module

    def __init__(
        self,
        title: str,
        model: nn.Module,
        loader: BatchLoader,
        seed: int,
        optimizer: OptimizerSettings,
        schedule: ScheduleSettings,
    ) -> None:
        """Keep what the loop needs.

        Args:
            title: what is trained, for messages.
            model: whose weights are trained.
            loader: training batches, also to name the patches of a bad one.
            seed: of everything random in training.
            optimizer: of the weights.
            schedule: of the learning rate.
        """
        super().__init__()
        self.title = title
        self.model = model
        self.loader = loader
        self.seed = seed
        self.optimizer_settings, self.schedule_settings = optimizer, schedule
        self.sums: dict[str, list[Tensor]] = {"train_loss": [], "validation_loss": []}

    @property
    def network(self) -> nn.Module:
        """The part that computes in half precision and is compiled."""
        return self.model

    @property
    def memory_format(self) -> torch.memory_format:
        """The order in memory that the network is trained in."""
        return torch.channels_last

    def epoch_state(self) -> dict[str, Any]:
        """Return what was counted of the epoch so far."""
        return {"sums": {name: [value.cpu() for value in values] for name, values in self.sums.items()}}

    def load_epoch(self, state: dict[str, Any]) -> None:
        """Go on counting from there."""
        for name, values in state["sums"].items():
            self.sums[name][:] = [value.to(self.device) for value in values]

    @abstractmethod
    def prepare(self, images: Tensor, labels: Tensor) -> tuple[Tensor, ...]:
        """Return the network's input, and then the targets of the loss; they are computed in float32."""

    @abstractmethod
    def compute_loss(self, outputs: Outputs, *targets: Tensor) -> Tensor:
        """Return the loss of the network's outputs."""

    def count_batch(self, outputs: Outputs, *targets: Tensor) -> None:
        """Take a training batch into the scores of the epoch, where there are any."""

    def train_scores(self) -> dict[str, float]:
        """Return the scores of the epoch's training batches."""
        return {}

    def on_train_epoch_start(self) -> None:
        """Seed everything from seed and epoch, so that a resumed run draws what an undisturbed one would have.

        Processes that train together draw differently.
        """
        self.loader.epoch = self.current_epoch
        # below 2^32, of which torch's generator on the CPU takes no more
        torch.manual_seed(self.seed * 1_000_003 + self.current_epoch + rank() * 61_803_399)

    def training_step(self, batch: Any, number: int) -> Tensor | None:
        """Return the loss of one batch.

        Raises:
            DivergedError: the loss is not finite; the message names the patches.
        """
        images, labels, indices, share = batch
        # the eight bits of a bfloat16 place a pixel of a rotated image to half a pixel only
        with torch.autocast(images.device.type, enabled=False):
            inputs, *targets = self.prepare(images, labels)
        with fast_gradients(images.device.type):
            outputs = self.network(inputs)
        loss = self.compute_loss(outputs, *targets)
        if not torch.isfinite(loss):
            where = f"the loss became {loss.item()} in epoch {self.current_epoch + 1}, step {number + 1}"
            raise DivergedError(f"{where}, with the patches {self._name_patches(inputs, indices)}. {self.ADVICE}")
        weighted: Tensor = loss * share
        self.sums["train_loss"].append(weighted.detach())
        if share:
            self.count_batch(outputs, *targets)
        return weighted

    def measure_first_batch(self, device: str) -> Callable[[str], Tensor]:
        """Return a function that gives the loss of the first batch, in train mode, in the precision of a name.

        The random state is left as it was.
        """
        images, labels, _, _ = next(iter(self.loader))
        self.train().to(torch.device(device))
        with torch.random.fork_rng():
            inputs, *targets = self.prepare(images.to(device), labels.to(device))

        def measure(precision: str) -> Tensor:
            with autocast(device, precision):
                return self.compute_loss(self.network(inputs), *targets)

        return measure

    def on_train_epoch_end(self) -> None:
        """Log the mean training loss and step a plateau schedule; both before the checkpoints are written.

        Raises:
            DivergedError: the last step made a weight infinite or not a number.
        """
        if not all(torch.isfinite(parameter).all() for parameter in self.model.parameters()):
            message = f"the weights became infinite or not a number in epoch {self.current_epoch + 1}"
            raise DivergedError(f"{message}. {self.ADVICE}")
        loss = self.train_loss()
        self.log("train_loss", loss)
        self.sums["train_loss"].clear()
        schedule = self.lr_schedulers()
        if isinstance(schedule, torch.optim.lr_scheduler.ReduceLROnPlateau):
            schedule.step(float(self.trainer.callback_metrics.get("validation_loss", loss)))

    def train_loss(self) -> float:
        """Return the mean training loss of the epoch so far."""
        return self.mean_loss("train_loss")

    def mean_loss(self, name: str) -> float:
        """Return the mean of a loss over the steps and the processes, which all must call it."""
        means = gather(float(torch.stack(self.sums[name]).float().mean()))
        return sum(means) / len(means)

    def configure_optimizers(self) -> Any:
        """Build optimizer and schedule."""
        optimizer = make_optimizer(self.optimizer_settings, self.model.parameters())
        steps = int(self.trainer.estimated_stepping_batches)
        per_epoch = max(1, steps // max(int(self.trainer.max_epochs or 1), 1))
        return {
            "optimizer": optimizer,
            "lr_scheduler": make_schedule(self.schedule_settings, optimizer, steps, per_epoch),
        }

    def _name_patches(self, images: Tensor, indices: Any) -> str:
        """Name the patches that are not finite themselves; where all are, the first of the batch."""
        bad = (~torch.isfinite(images).flatten(1).all(dim=1)).cpu().numpy()
        chosen = indices[bad] if bad.any() else indices
        named = "; ".join(self.loader.patches.describe(int(index)) for index in chosen[:4])
        return f"{named} and {len(chosen) - 4} more" if len(chosen) > 4 else named
