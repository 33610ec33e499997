"""Pre-train an encoder on images alone: patches in; the encoder's weights, curve and costs out.

A decoder over all levels of the encoder, as light as a U-Net's can be, reconstructs hidden blocks (``masking``); the
skips make every level learn features, as in SparK (Tian et al. 2023, "Designing BERT for convolutional networks").
They carry nothing of what is hidden, for it is hidden before the encoder. The decoder is thrown away.
"""

import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from scan2seg.architectures import unet
from scan2seg.augmentation.chain import build_chain
from scan2seg.config.recipe import EncoderRecipe
from scan2seg.config.training import OptimizerSettings, ScheduleSettings
from scan2seg.device import choose_device, peak_memory, set_threads
from scan2seg.documents import Json
from scan2seg.encoders.build import AlignedEncoder
from scan2seg.ignore import IGNORE
from scan2seg.normalisation import Normalisation, fit_normalisation
from scan2seg.provenance import fingerprint, record
from scan2seg.replacement import replacing
from scan2seg.storage import open_store, write_json
from scan2seg.training.data import BatchLoader, Patches, make_loaders, open_patches
from scan2seg.training.history import Row, write_history
from scan2seg.training.learner import Learner, Outputs
from scan2seg.training.loop import TrainingResult, run_loop
from scan2seg.training.masking import draw_mask, hide, reconstruction_error

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
    settings = recipe.training
    device = choose_device(settings.device)
    set_threads(threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.manual_seed(recipe.pretraining.seed)
    data = open_patches(patches, split, None, device)
    store = open_store(patches)
    image: Any = store["image"]
    created: Any = store.attrs["provenance"]
    normalisation = fit_normalisation(recipe.normalisation, image, data.train.tolist(), recipe.encoder)
    data.per_image = normalisation.per_image
    network = build_network(recipe, normalisation.output_channels or data.image.shape[1])
    loader, _ = make_loaders(data, settings, recipe.pretraining.seed)
    learner = PretrainingModule(network, normalisation, recipe, loader)
    identity = fingerprint([recipe.content(), created["created"]])
    result = run_loop(learner, None, settings, output / "training", identity, device, keep_best=False)
    facts = _describe(data, result, device, dataset, stack)
    _write(output, encoder_state(network), recipe, result.rows, facts, [stack, split, patches])


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


class PretrainingModule(Learner):
    """Trains a network to reconstruct what is hidden of the images."""

    SECTION = "pretraining"
    ADVICE = "Lower pretraining.learning_rate"

    def __init__(
        self, network: nn.Module, normalisation: Normalisation, recipe: EncoderRecipe, loader: BatchLoader
    ) -> None:
        """Build what the recipe asks for.

        Args:
            network: gives an image for an image.
            normalisation: of the images, fitted.
            recipe: of the encoder.
            loader: training batches; their labels are not read.
        """
        settings = recipe.pretraining
        optimizer = OptimizerSettings(learning_rate=settings.learning_rate, weight_decay=settings.weight_decay)
        schedule = ScheduleSettings(name="cosine", warmup_epochs=WARM_UP * settings.epochs)
        super().__init__(recipe.encoder, network, loader, settings.seed, optimizer, schedule)
        self.settings = settings
        self.normalisation = normalisation
        self.augment = build_chain(recipe.augmentation)

    def training_step(self, batch: Any, number: int) -> Tensor | None:
        """Return the error of one batch; None, which changes nothing, for a last one of a single patch.

        It has no spread for batch normalisation where it is one pixel small.
        """
        if len(batch[0]) == 1 and self.sums["train_loss"]:
            return None
        return super().training_step(batch, number)

    def prepare(self, images: Tensor, labels: Tensor) -> tuple[Tensor, ...]:
        """Normalise and augment a batch; return what the network sees, what it should find, and where."""
        images = self.normalisation(images)
        # no label may guide an augmentation
        images, _ = self.augment(images, torch.full_like(labels, IGNORE))
        size = (images.shape[2], images.shape[3])
        mask = draw_mask(len(images), size, self.settings.mask_size, self.settings.mask_share).to(images.device)
        return hide(images, mask).contiguous(memory_format=self.memory_format), images, mask

    def compute_loss(self, outputs: Outputs, *targets: Tensor) -> Tensor:
        """Return the mean absolute error over what was hidden."""
        assert isinstance(outputs, Tensor)
        images, mask = targets
        return reconstruction_error(outputs, images, mask)


def _describe(data: Patches, result: TrainingResult, device: str, dataset: str, stack: Path) -> Json:
    """Return what the pre-training saw and took; of a resumed run the epochs' own seconds, of all its parts."""
    seconds = sum(float(row["seconds"] or 0) for row in result.rows)
    used = sorted({int(index) for index in data.origin[data.train, 0]})
    hashes: Any = open_store(stack).attrs["hashes"]
    return {
        "dataset": dataset,
        "images": len(used),
        "patches": len(data.train),
        "epochs": result.epochs,
        "seconds": seconds,
        "samples_per_second": result.samples / max(seconds, 1e-9),
        "peak_memory_bytes": peak_memory(device),
        "device": device,
        **result.decision.describe(),
        "image_hashes": [hashes[index] for index in used],
    }


def _write(
    output: Path,
    state: dict[str, Tensor],
    recipe: EncoderRecipe,
    rows: list[Row],
    facts: Json,
    inputs: list[Path],
) -> None:
    """Write everything, and only then remove the state from which a killed run goes on."""
    with replacing(output / "encoder.safetensors") as partial:
        save_file(state, partial, metadata={"encoder": recipe.encoder})
    write_history(output / "history.csv", rows)
    write_json(output / "pretraining.json", {**facts, "provenance": record({"recipe": recipe.content()}, inputs)})
    shutil.rmtree(output / "training", ignore_errors=True)
