"""A trained model for other programs: ONNX and torch.export, with all that it needs inside, and what it is in words.

The exported model takes images as a stack has them, (batch, channel, y, x) or (batch, channel, z, y, x) float32 of one
size, and gives ``label`` uint8 and ``probability`` float32: normalisation and softmax are inside. What the source did
to its images (resizing, denoising, resampling) is not; the model card lists it. ``rdf.yaml`` describes it as a model of
bioimage.io (format 0.5).
"""

import contextlib
import hashlib
import io
import json
import logging
import shutil
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
import yaml
from numpy.typing import NDArray
from torch import Tensor, nn

from scan2seg.checkpoint import SegmentationModel, load_checkpoint
from scan2seg.documents import Json
from scan2seg.errors import InputError
from scan2seg.inference.model_card import check_licence, describe_resource, write_card
from scan2seg.inference.model_choice import EXPORTED_SETTINGS, find_members
from scan2seg.logging import info
from scan2seg.replacement import replacing
from scan2seg.storage import write_json
from scan2seg.windows import cut_window

OPSET = 18


class Exported(nn.Module):
    """Images of one size, as a stack has them, to labels and probabilities.

    One that is smaller than a patch of the training is mirrored to its size, as training saw such images.
    """

    def __init__(self, model: SegmentationModel, size: Sequence[int], patch: Sequence[int]) -> None:
        """Take a model in eval mode, the size of the images, and that of the patches it was trained on."""
        super().__init__()
        self.model = model
        self.size = tuple(size)
        self.mirrored: dict[int, str] = {}
        for axis, (length, least) in enumerate(zip(size, patch, strict=True), start=2):
            if length < least:
                self.mirrored[axis] = f"places_{axis}"
                places = cut_window(np.arange(length), (0,), (least,))
                self.register_buffer(self.mirrored[axis], torch.from_numpy(places))

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return label (batch, *spatial) uint8 and probability (batch, class, *spatial) float32."""
        if self.model.normalisation.per_image:
            axes = tuple(range(2, image.ndim))
            mean = image.mean(dim=axes, keepdim=True)
            deviation = ((image - mean) ** 2).mean(dim=axes, keepdim=True).sqrt()
            flat = deviation <= 1e-6 * mean.abs() + 1e-30
            image = (image - mean) / torch.where(flat, torch.ones_like(deviation), deviation)
        for axis, places in self.mirrored.items():
            image = image.index_select(axis, getattr(self, places))
        logits = self.model(image)[(..., *(slice(length) for length in self.size))]
        probability = logits.float().softmax(dim=1)
        return probability.argmax(dim=1).to(torch.uint8), probability


def export_model(
    checkpoint: Path, folder: Path, *, size: tuple[int, ...] | None = None, licence: str | None = None
) -> Path:
    """Write the model of a checkpoint to a new folder; return it.

    It holds model.onnx, model.pt2 (torch.export), rdf.yaml, README.md (the model card), an image with its labels and
    probabilities to test with, and the checkpoint, with which ``scan2seg segment`` takes the folder. ONNX Runtime's
    labels of that image are compared with ours before it appears.

    Args:
        checkpoint: the trained model.
        folder: to be made.
        size: of the images that the exported model takes, (y, x) or (z, y, x); that of the training patches if None.
        licence: an SPDX identifier such as CC-BY-4.0, for whoever uses the model.

    Raises:
        InputError: the folder is there, the licence is no SPDX identifier, the model cannot be exported, or its ONNX
            form computes something else.
    """
    check_licence(licence)
    if folder.exists():
        raise InputError(f"{folder}: is there already; name a new folder")
    model, description = load_checkpoint(checkpoint)
    patch = tuple(int(length) for length in description["patch_size"])
    spatial = size or patch
    if len(spatial) != model.dimensions:
        raise InputError(f"--size: {len(spatial)} lengths, the model takes {model.dimensions}")
    image = torch.from_numpy(_draw_image(model.channels, spatial, description))
    with replacing(folder) as partial:
        partial.mkdir()
        exported = Exported(model, spatial, patch).eval()
        with torch.no_grad():
            label, probability = exported(image)
        _write_programs(partial, exported, image, checkpoint)
        _compare(partial / "model.onnx", image, label, probability)
        np.save(partial / "test_image.npy", image.numpy())
        np.save(partial / "test_label.npy", label.numpy())
        np.save(partial / "test_probability.npy", probability.numpy())
        (applied,) = find_members(checkpoint)
        shutil.copy(checkpoint, partial / "checkpoint.pt")
        write_json(partial / EXPORTED_SETTINGS, applied.inference.model_dump(mode="json"))
        write_card(partial / "README.md", checkpoint, description, spatial, licence)
        digest = hashlib.sha256((partial / "model.onnx").read_bytes()).hexdigest()
        resource = describe_resource(checkpoint, description, model.channels, spatial, licence, digest, OPSET)
        # as JSON and back, so that no part of it is written as a reference to another
        plain = yaml.safe_dump(json.loads(json.dumps(resource)), sort_keys=False, allow_unicode=True)
        (partial / "rdf.yaml").write_text(plain, "utf-8")
    info("%s: model.onnx, model.pt2, README.md, rdf.yaml", folder)
    return folder


def _draw_image(channels: int, size: tuple[int, ...], description: Json) -> NDArray[np.float32]:
    """Return an image (1, c, *spatial) with the grey levels of the training images, from a fixed seed."""
    appearance = description.get("appearance") or {"level": [[0, 1]] * channels, "spread": [[0, 1]] * channels}
    generator = np.random.default_rng(0)
    image = np.empty((1, channels, *size), np.float32)
    for channel in range(channels):
        level, spread = np.mean(appearance["level"][channel]), np.mean(appearance["spread"][channel])
        image[0, channel] = generator.normal(level, max(float(spread), 1e-6) / 2, size)
    return image


def _write_programs(folder: Path, exported: Exported, image: Tensor, checkpoint: Path) -> None:
    """Write model.pt2 and model.onnx; the number of images at once is free."""
    batch = torch.cat([image, image])
    said = io.StringIO()
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(said), _silence():
            warnings.simplefilter("ignore")
            shapes = ({0: torch.export.Dim("batch")},)
            program = torch.export.export(exported, (batch,), dynamic_shapes=shapes, strict=False)
            torch.export.save(program, folder / "model.pt2")
            written = torch.onnx.export(
                program,
                (batch,),
                input_names=["image"],
                output_names=["label", "probability"],
                opset_version=OPSET,
                dynamo=True,
                verbose=False,
            )
            assert written is not None
            written.save(folder / "model.onnx", external_data=False)
    except Exception as error:
        method, reason = exported.model.architecture.method, str(error).strip().split("\n")[0][:300]
        raise InputError(f"{checkpoint}: {method} cannot be exported ({type(error).__name__}: {reason})") from None


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Keep the exporter's remarks on its own workings from the terminal."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def _compare(path: Path, image: Tensor, label: Tensor, probability: Tensor) -> None:
    """Refuse a program whose labels of the test image are not ours, but where two classes are equally probable."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    theirs, probabilities = session.run(None, {"image": image.numpy()})
    error = float(np.abs(probabilities - probability.numpy()).max())
    first, second = np.sort(probability.numpy(), axis=1)[:, ::-1][:, :2].swapaxes(0, 1)
    differing = (theirs != label.numpy()) & (first - second > 1e-3)
    if error > 1e-3 or differing.any():
        raise InputError(f"{path.name}: ONNX Runtime computes other probabilities (by {error:.2g}); not exported")
