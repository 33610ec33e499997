"""What an exported model is, in words for people (README.md) and for bioimage.io (rdf.yaml)."""

import itertools
import re
from collections.abc import Sequence
from contextlib import suppress
from keyword import iskeyword
from pathlib import Path
from typing import Any

from scan2seg import __version__
from scan2seg.config.image_reading import Reading
from scan2seg.documents import Json
from scan2seg.errors import InputError
from scan2seg.evaluation.ranking import rank
from scan2seg.evaluation.runs import RunFiles, read_run
from scan2seg.inference.recorded_settings import recall
from scan2seg.storage import read_json

UNKNOWN = "not given"


def write_card(path: Path, checkpoint: Path, description: Json, size: tuple[int, ...], licence: str | None) -> None:
    """Write the model card: use, data, recipe, scores with intervals, limits, licence."""
    recipe = description["provenance"]["settings"]["recipe"]
    classes = ", ".join(f"{index} {name}" for index, name in enumerate(description["classes"]))
    lengths = " x ".join(map(str, size))
    lines = [
        f"# {_title(checkpoint, description)}",
        "",
        f"Segments images of {lengths} pixels into {len(description['classes'])} classes: {classes}.",
        "",
        "## Use",
        "",
        "`model.onnx` and `model.pt2` take `image`, float32, and give `label` (uint8) and `probability`. Normalisation",
        "is inside. They take images of this size alone: cut larger ones into overlapping tiles and blend the",
        "probabilities; mirror smaller ones at their far ends, as training did. `test_image.npy` has to give",
        "`test_label.npy`.",
        "",
        *_describe_preparation(checkpoint, description),
        "",
        "## Data",
        "",
        *_describe_data(description),
        "",
        "## Recipe",
        "",
        *(f"- {name}: `{value}`" for name, value in recipe.items() if value not in (None, [], {})),
        "",
        "## Scores",
        "",
        *_describe_scores(checkpoint),
        "",
        "## Limits",
        "",
        "It knows images like those it was trained on: of the same specimens, instrument, grey values and pixel size.",
        "Whether others are alike is not checked by these files; `scan2seg segment` does, and warns.",
        "",
        "## Licence",
        "",
        licence or f"{UNKNOWN}: ask who trained it before you use or share it.",
        "",
        f"Written by scan2seg {__version__} from {description['provenance']['created']}.",
    ]
    path.write_text("\n".join(lines) + "\n", "utf-8")


def _describe_preparation(checkpoint: Path, description: Json) -> list[str]:
    """Say what the model does not do itself, so that nobody gives it images that it does not know."""
    content = description.get("reading")
    if content is None:
        return ["How the training images were read before the model saw them is not known."]
    reading = recall(Reading, content, checkpoint, "how its images were read")
    steps = [f"- {step}" for step in reading.describe_steps()]
    before, lines = int(description["neighbours"]), []
    if before:
        many = 2 * before + 1
        lines = [f"Its channels are {many} slices, {before} before and {before} after each, mirrored at the ends.", ""]
    if reading.kind in ("scan", "simulation"):
        lines += ["The images were slices of reconstructed scans, after their reconstruction and denoising.", ""]
    if not steps:
        return [*lines, "The images were given in the grey values of their files."]
    return [*lines, "Do to images what was done before training; the model does not:", "", *steps]


def _title(checkpoint: Path, description: Json) -> str:
    method = description["provenance"]["settings"]["recipe"]["architecture"]["method"]
    run = _read_names(checkpoint)
    return f"{run['model']} on {run['dataset']}" if run else f"{method} of scan2seg"


def _read_names(checkpoint: Path) -> dict[str, str]:
    """Return dataset, model and replicate of the scores beside a checkpoint; nothing where there are none."""
    metrics = checkpoint.parent / "metrics.json"
    return {name: read_json(metrics)[name] for name in ("dataset", "model", "replicate")} if metrics.is_file() else {}


def _describe_data(description: Json) -> list[str]:
    edge = description.get("pixel_size")
    reading = {name: value for name, value in (description.get("reading") or {}).items() if value not in (None, [], 0)}
    lines = [f"- pixel size: {f'{edge:g} micrometres' if edge else UNKNOWN}", f"- read by: `{reading}`"]
    for name, ranges in (description.get("appearance") or {}).items():
        shown = "; ".join(f"{low:.4g} to {high:.4g}" for low, high in ranges)
        lines.append(f"- {name} of the training patches: {shown}")
    return lines


def _describe_scores(checkpoint: Path) -> list[str]:
    """Return a table of the scores on the test images, with the interval of the mean IoU where there is one."""
    metrics, training = (checkpoint.with_name(f"{name}.json") for name in ("metrics", "training"))
    per_image = checkpoint.with_name("per_image.csv")
    if not metrics.is_file() or not per_image.is_file():
        return ["No scores lay beside the checkpoint."]
    run = read_run(RunFiles(metrics, per_image, training))
    ((row,),) = rank([run], None).values()
    mean = UNKNOWN if row.mean is None else f"{row.mean:.4f}"
    spread = f", 95 % interval {row.interval[0]:.4f} to {row.interval[1]:.4f}" if row.interval else ", no interval"
    table = [f"Mean IoU {mean}{spread}, on {len(run.images.names)} test images of {run.dataset}.", ""]
    table += ["| class | IoU | precision | recall |", "|---|---|---|---|"]
    for name, scores in run.metrics["classes"].items():
        values = [scores.get(key) for key in ("iou", "precision", "recall")]
        table.append(f"| {name} | {' | '.join('–' if value is None else f'{value:.4f}' for value in values)} |")
    return table


def describe_resource(
    checkpoint: Path,
    description: Json,
    channels: int,
    size: tuple[int, ...],
    licence: str | None,
    digest: str,
    opset: int,
) -> Json:
    """Return rdf.yaml, which describes a model of bioimage.io (0.5) with an ONNX file of a SHA-256 digest."""
    space = [
        {"type": "space", "id": axis, "size": length} for axis, length in zip("zyx"[-len(size) :], size, strict=True)
    ]
    batch: Json = {"type": "batch"}
    names = [f"channel{index}" for index in range(channels)]
    classes = _identifiers(description["classes"])
    image = {
        "id": "image",
        "axes": [batch, {"type": "channel", "channel_names": names}, *space],
        "test_tensor": {"source": "test_image.npy"},
        "data": {"type": "float32"},
    }
    label: Json = {
        "id": "label",
        "axes": [batch, *space],
        "test_tensor": {"source": "test_label.npy"},
        "data": {"type": "uint8"},
    }
    probability = {
        "id": "probability",
        "axes": [batch, {"type": "channel", "channel_names": classes}, *space],
        "test_tensor": {"source": "test_probability.npy"},
        "data": {"type": "float32", "range": [0.0, 1.0]},
    }
    found: dict[str, Any] = {
        "format_version": "0.5.3",
        "type": "model",
        "name": _clean_name(_title(checkpoint, description)),
        "description": f"Semantic segmentation into {', '.join(description['classes'])}"[:512],
        "authors": [{"name": UNKNOWN}],
        "documentation": "README.md",
        "tags": ["segmentation", "scan2seg"],
        "inputs": [image],
        "outputs": [label, probability],
        "weights": {"onnx": {"source": "model.onnx", "sha256": digest, "opset_version": opset}},
    }
    return found | ({"license": licence} if licence else {})


def _identifiers(names: Sequence[str]) -> list[str]:
    """Return names as bioimage.io takes them for channels: Python's identifiers, no keywords, each once."""
    found: list[str] = []
    for name in names:
        word = "".join(letter if f"a{letter}".isidentifier() else "_" for letter in name)
        word = word if word.isidentifier() and not iskeyword(word) else f"class_{word}"
        choices = itertools.chain([word], (f"{word}_{number}" for number in itertools.count(2)))
        found.append(next(choice for choice in choices if choice not in found))
    return found


def check_licence(licence: str | None) -> None:
    """Refuse what bioimage.io does not take for a licence: SPDX identifiers alone.

    Raises:
        InputError: it is none, by the list of bioimageio.spec where that is installed, else by its form.
    """
    if licence is None:
        return
    if not _is_licence(licence):
        raise InputError(f"--licence: '{licence}' is no SPDX identifier; give one such as CC-BY-4.0 or MIT")


def _is_licence(licence: str) -> bool:
    try:
        from bioimageio.spec.generic.v0_3 import DeprecatedLicenseId, LicenseId
    except ImportError:
        return re.fullmatch(r"[A-Za-z0-9.+-]+", licence) is not None
    for kind in (LicenseId, DeprecatedLicenseId):
        with suppress(ValueError):
            kind(licence)
            return True
    return False


def _clean_name(name: str) -> str:
    return "".join(letter if letter.isascii() and (letter.isalnum() or letter in "_+- ()") else "-" for letter in name)
