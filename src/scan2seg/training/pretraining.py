"""Pre-train an encoder on images alone: patches in; the encoder's weights, curve and costs out.

A decoder over all levels of the encoder, as light as a U-Net's can be, reconstructs hidden blocks (``masking``); the
skips make every level learn features, as in SparK (Tian et al. 2023, "Designing BERT for convolutional networks").
They carry nothing of what is hidden, for it is hidden before the encoder. The decoder is thrown away.
"""

import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from scan2seg.architectures import unet
from scan2seg.augmentation.chain import Augmentation, build_chain
from scan2seg.config.pretraining import PretrainingSettings
from scan2seg.config.recipe import EncoderRecipe
from scan2seg.config.training import OptimizerSettings, ScheduleSettings
from scan2seg.device import autocast, choose_device, peak_memory, set_threads
from scan2seg.encoders.build import AlignedEncoder
from scan2seg.errors import InputError
from scan2seg.ignore import IGNORE
from scan2seg.logging import Work, info, reporting, warn
from scan2seg.normalisation import Normalisation, fit_normalisation
from scan2seg.provenance import fingerprint, record
from scan2seg.storage import open_store, replacing, write_json
from scan2seg.training.data import BatchLoader, Patches, open_patches
from scan2seg.training.history import write_history
from scan2seg.training.masking import draw_mask, hide, reconstruction_error
from scan2seg.training.optimisation import make_optimizer, make_schedule
from scan2seg.training.shortage import explain_shortage
from scan2seg.training.trust import settle_precision

DECODER_CHANNELS = [64, 32, 32, 16, 16]
WARM_UP = 0.1
"""Share of the epochs in which the learning rate rises."""


def pretrain_encoder(
    stack: Path,
    split: Path,
    patches: Path,
    output: Path,
    recipe: EncoderRecipe,
    *,
    dataset: str = "",
    threads: int = 1,
) -> None:
    """Pre-train an encoder and write encoder.safetensors, history.csv and pretraining.json into the output folder.

    Only training patches are read, and of them only the images. With the same seed, settings and machine the weights
    are the same. A run that was killed goes on from its last epoch: ``output/training`` keeps the state until the end.

    Args:
        stack: of the images, for their hashes, by which training makes sure that none is a test image.
        split: split.json; where folds cross-validate, its own training images.
        patches: the patch store.
        output: the encoder's folder.
        recipe: ``Model.pretraining_recipe()``.
        dataset: whose images these are, for the record.
        threads: processor cores.

    Raises:
        InputError: no training patches, an encoder that no decoder fits, too little memory, an error not finite.
    """
    settings = recipe.pretraining
    device = choose_device(recipe.device)
    set_threads(threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.manual_seed(settings.seed)
    data = open_patches(patches, split, None, device)
    store = open_store(patches)
    image: Any = store["image"]
    created: Any = store.attrs["provenance"]
    normalisation = fit_normalisation(recipe.normalisation, image, data.train.tolist(), recipe.encoder)
    data.per_image = normalisation.per_image
    network = build_network(recipe, normalisation.output_channels or data.image.shape[1])
    run = _Run(network.to(device), normalisation.to(device), data, settings, build_chain(recipe.augmentation), device)
    identity = fingerprint([recipe.content(), created["created"]])
    run.settle(recipe.precision, output / "training", identity)
    info("%s on %s in %s", recipe.encoder, device, run.precision)
    rows = run.go(output / "training" / "state.pt", identity)
    _write(output, encoder_state(network), recipe, rows, _describe(run, rows, dataset, stack), [stack, split, patches])


def build_network(recipe: EncoderRecipe, channels: int) -> nn.Module:
    """Build a narrow U-Net over the recipe's encoder that gives an image (N, C, H, W) for an image.

    Raises:
        InputError: the encoder is unknown, its weights are missing, or it has no levels that a U-Net can be built on.
    """
    values = recipe.model_dump(include={"encoder", "pretrained", "sha256"})
    params = unet.Params(**values, decoder_channels=DECODER_CHANNELS, convolutions=1)
    return unet.build(params, channels, channels)


def encoder_state(network: nn.Module) -> dict[str, Tensor]:
    """Return the weights of a network's encoder under the names that its library gives them."""
    encoder = next(part for part in network.modules() if isinstance(part, AlignedEncoder))
    return {name: value.detach().cpu().clone().contiguous() for name, value in encoder.model.state_dict().items()}


@dataclass
class _Run:
    """The loop."""

    network: nn.Module
    normalisation: Normalisation
    data: Patches
    settings: PretrainingSettings
    augment: Augmentation
    device: str
    precision: str = "float32"
    precision_check: dict[str, Any] | None = None

    def settle(self, wanted: str, state: Path, identity: str) -> None:
        """Choose the precision on the first batch; that of a run that goes on is kept with its state."""
        loader = BatchLoader(self.data, self.data.train, self.settings.batch_size, seed=self.settings.seed)
        images, labels, _, _ = next(iter(loader))
        self.network.to(memory_format=torch.channels_last).train()
        with torch.random.fork_rng():
            hidden, target, mask = self._hide(images.to(self.device), labels.to(self.device))

        def measure(precision: str) -> Tensor:
            with autocast(self.device, precision):
                found = self.network(hidden)
            return reconstruction_error(found, target, mask)

        decision = settle_precision(wanted, self.network, measure, self.device, state, identity)
        self.precision, self.precision_check = decision["precision"], decision["precision_check"]

    def go(self, state: Path, identity: str) -> list[dict[str, Any]]:
        """Train to the last epoch and return a row an epoch; go on from the state where it is of this identity."""
        settings = self.settings
        loader = BatchLoader(self.data, self.data.train, settings.batch_size, seed=settings.seed)
        optimizer = make_optimizer(
            OptimizerSettings(learning_rate=settings.learning_rate, weight_decay=settings.weight_decay),
            self.network.parameters(),
        )
        schedule = ScheduleSettings(name="cosine", warmup_epochs=WARM_UP * settings.epochs)
        steps = settings.epochs * len(loader)
        scheduler = make_schedule(schedule, optimizer, steps, len(loader))["scheduler"]
        scaler = torch.amp.GradScaler(self.device, enabled=self.precision == "float16")
        parts = {"network": self.network, "optimizer": optimizer, "scheduler": scheduler, "scaler": scaler}
        self.network.to(memory_format=torch.channels_last)
        rows = load_state(state, identity, parts)
        for epoch in range(len(rows), settings.epochs):
            started = time.monotonic()
            loader.epoch = epoch
            # from seed and epoch, so that a run that goes on draws what an undisturbed one would have
            torch.manual_seed(settings.seed * 1_000_003 + epoch)
            rate = float(optimizer.param_groups[0]["lr"])
            with reporting(f"epoch {epoch + 1}/{settings.epochs}", "steps", len(loader)) as work:
                error = self._run_epoch(loader, optimizer, scheduler, scaler, work)
            seconds = time.monotonic() - started
            rows.append({"epoch": epoch + 1, "learning_rate": rate, "train_loss": error, "seconds": seconds})
            save_state(state, identity, parts, rows)
            left = (settings.epochs - epoch - 1) * seconds
            words = "epoch %d/%d: reconstruction error %.4f (%.1f s, about %.0f s left)"
            info(words, epoch + 1, settings.epochs, error, seconds, left)
        return rows

    def _run_epoch(self, loader: BatchLoader, optimizer: Any, scheduler: Any, scaler: Any, work: Work) -> float:
        self.network.train()
        errors: list[Tensor] = []
        try:
            for work.done, (images, labels, _, _) in enumerate(loader):
                if len(images) == 1 and errors:
                    continue  # a single patch has no spread for batch normalisation where it is one pixel small
                optimizer.zero_grad(set_to_none=True)
                nothing = torch.full_like(labels, IGNORE)  # no label may guide an augmentation
                error = self._measure(images.to(self.device), nothing.to(self.device))
                scaler.scale(error).backward()
                scaler.step(optimizer)
                scaler.update()
                scheduler.step()
                errors.append(error.detach())
        except (MemoryError, RuntimeError) as error:
            shortage = explain_shortage(error, "pretraining.batch_size", self.settings.batch_size)
            raise shortage or error from None
        mean = float(torch.stack(errors).mean())
        if not torch.isfinite(torch.tensor(mean)):
            rate = self.settings.learning_rate
            raise InputError(f"pretraining.learning_rate: {rate}: the error became {mean}; lower the learning rate")
        return mean

    def _measure(self, images: Tensor, labels: Tensor) -> Tensor:
        """Return the error of one batch."""
        hidden, images, mask = self._hide(images, labels)
        with autocast(self.device, self.precision):
            found = self.network(hidden)
        return reconstruction_error(found, images, mask)

    @torch.no_grad()
    def _hide(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Normalise and augment a batch; return what the network sees, what it should find, and where."""
        images = self.normalisation(images)
        images, _ = self.augment(images, labels)
        size = (images.shape[2], images.shape[3])
        mask = draw_mask(len(images), size, self.settings.mask_size, self.settings.mask_share).to(images.device)
        return hide(images, mask).contiguous(memory_format=torch.channels_last), images, mask


def save_state(path: Path, identity: str, parts: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    """Keep all that the next epoch depends on, whole or not at all."""
    content = {name: part.state_dict() for name, part in parts.items()}
    with replacing(path) as partial:
        torch.save({"identity": identity, "rows": rows, "parts": content}, partial)


def load_state(path: Path, identity: str, parts: dict[str, Any]) -> list[dict[str, Any]]:
    """Put a state into the parts and return its rows; none where there is no whole state of the same identity."""
    if not path.is_file():
        return []
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        warn("the state of the unfinished run is damaged (%s): starting anew", type(error).__name__)
        return []
    if content["identity"] != identity:
        return []
    info("going on from the last finished epoch of an unfinished run")
    for name, part in parts.items():
        part.load_state_dict(content["parts"][name])
    rows: list[dict[str, Any]] = content["rows"]
    return rows


def _describe(run: _Run, rows: list[dict[str, Any]], dataset: str, stack: Path) -> dict[str, Any]:
    """Return what the pre-training saw and took; of a resumed run the epochs' own seconds, of all its parts."""
    seconds = sum(float(row["seconds"]) for row in rows)
    used = sorted({int(index) for index in run.data.origin[run.data.train, 0]})
    hashes: Any = open_store(stack).attrs["hashes"]
    return {
        "dataset": dataset,
        "images": len(used),
        "patches": len(run.data.train),
        "epochs": len(rows),
        "seconds": seconds,
        "samples_per_second": len(rows) * len(run.data.train) / max(seconds, 1e-9),
        "peak_memory_bytes": peak_memory(run.device),
        "device": run.device,
        "precision": run.precision,
        "precision_check": run.precision_check,
        "image_hashes": [hashes[index] for index in used],
    }


def _write(
    output: Path,
    state: dict[str, Tensor],
    recipe: EncoderRecipe,
    rows: list[dict[str, Any]],
    facts: dict[str, Any],
    inputs: list[Path],
) -> None:
    """Write everything, and only then remove the state from which a killed run goes on."""
    with replacing(output / "encoder.safetensors") as partial:
        save_file(state, partial, metadata={"encoder": recipe.encoder})
    write_history(output / "history.csv", rows)
    write_json(output / "pretraining.json", {**facts, "provenance": record({"recipe": recipe.content()}, inputs)})
    shutil.rmtree(output / "training", ignore_errors=True)
