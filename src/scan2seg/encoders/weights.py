"""Pre-trained weights of encoders: found in the cache, checked, read, fitted; and fetched where there is internet."""

import hashlib
import os
import re
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scan2seg import logging, storage
from scan2seg.config.base import is_path
from scan2seg.errors import InputError
from scan2seg.replacement import replacing

if TYPE_CHECKING:
    from torch import Tensor, nn

_DENSENET = re.compile(r"(denselayer\d+\.(?:norm|conv))\.(\d\.)")
_BLOCK_BYTES = 2**20


def cache_folder() -> Path:
    """Return the folder of fetched weights: the variable SCAN2SEG_WEIGHTS, or a folder in the user's cache."""
    given = os.environ.get("SCAN2SEG_WEIGHTS")
    return Path(given).expanduser() if given else Path.home() / ".cache" / "scan2seg" / "weights"


def find_weights(encoder: str, pretrained: str) -> Path | None:
    """Return the file of weights that a setting means, None for ``none``; nothing is loaded or downloaded.

    Raises:
        InputError: the file is missing; the message names the command that fetches it.
    """
    if pretrained == "none":
        return None
    if is_path(pretrained):
        path = Path(pretrained).expanduser()
        if not path.is_file():
            raise InputError(f"architecture: pretrained: {path}: there is no such file")
        return path
    found = _cached(encoder, pretrained)
    if found is None:
        named = "" if pretrained == "imagenet" else f" --weights {pretrained}"
        raise InputError(
            f"architecture: pretrained: {pretrained}: no weights of {encoder} in {cache_folder()}; "
            f"run 'scan2seg fetch-weights {encoder}{named}' on a machine with internet"
        )
    return found


def _cached(encoder: str, name: str) -> Path | None:
    found = (cache_folder() / f"{encoder}.{name}.weights{suffix}" for suffix in (".safetensors", ".pth"))
    return next((path for path in found if path.is_file()), None)


def check_hash(path: Path, sha256: str | None) -> None:
    """Check a file against the given SHA-256, and against the record that ``fetch_weights`` left beside it.

    Raises:
        InputError: they differ.
    """
    record = path.with_name(path.name + ".json")
    recorded = storage.read_json(record)["sha256"] if record.is_file() else None
    expected = [value for value in (sha256, recorded) if value]
    if expected and (actual := file_hash(path)) not in expected[:1]:
        raise InputError(
            f"{path}: the SHA-256 is {actual}, expected {expected[0]}; the file is damaged or another one: "
            "delete it and fetch it again, or correct the key sha256"
        )


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_state(path: Path) -> dict[str, "Tensor"]:
    """Read tensors by name from a safetensors file or a torch file, the latter with ``weights_only``.

    Raises:
        InputError: the file is neither, or holds no tensors.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        with path.open("rb") as file:
            zipped = file.read(2) == b"PK"
        if path.name.endswith(".safetensors") or (not zipped and not path.name.endswith((".pt", ".pth", ".ckpt"))):
            state: Any = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, ValueError, RuntimeError, SafetensorError, EOFError, ImportError) as error:
        raise InputError(f"{path}: cannot be read as safetensors or as a torch state dictionary ({error})") from None
    except Exception as error:  # torch raises pickle errors of its own for what weights_only refuses
        raise InputError(f"{path}: holds more than tensors and is refused ({type(error).__name__})") from None
    for key in ("state_dict", "model", "weights"):
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    tensors = {name: value for name, value in state.items() if isinstance(value, torch.Tensor)}
    if not tensors:
        raise InputError(f"{path}: holds no tensors; write a state dictionary of the encoder")
    return tensors


def load_weights(encoder: "nn.Module", name: str, channels: int, path: Path, sha256: str | None) -> None:
    """Load weights into an encoder, the first convolution adapted to ``channels``.

    Args:
        encoder: as the library made it, for ``channels``.
        name: of the encoder.
        channels: of the images.
        path: of the file.
        sha256: what it must hash to, or None.

    Raises:
        InputError: wrong hash, unreadable, or tensors that are missing or of another shape.
    """
    check_hash(path, sha256)
    target = encoder.state_dict()
    state = _match_names(read_state(path), target, name)
    if name.startswith("tu-") and _overlap(state, target) < 0.9:
        state = _through_timm(encoder, path, name)
    state = {key: value for key, value in state.items() if key in target}
    missing = [key for key in target if key not in state and not key.endswith("num_batches_tracked")]
    if missing:
        raise InputError(
            f"{path}: is not of encoder {name}: {len(missing)} of its {len(target)} tensors are missing, "
            f"such as {missing[0]}; give the file of that encoder"
        )
    first = _first_convolution(encoder)
    if first is not None and state[first].shape[1] != target[first].shape[1]:
        state[first] = adapt_channels(state[first], target[first].shape[1])
    wrong = [key for key, value in state.items() if value.shape != target[key].shape]
    if wrong:
        shapes = f"{tuple(state[wrong[0]].shape)}, the encoder's {tuple(target[wrong[0]].shape)}"
        raise InputError(f"{path}: is not of encoder {name}: {wrong[0]} has the shape {shapes}")
    import torch

    torch.nn.Module.load_state_dict(encoder, {**target, **state})


def adapt_channels(weight: "Tensor", channels: int) -> "Tensor":
    """Adapt the weights (O, C, h, w) of a first convolution to another number of channels.

    One channel takes the sum over the old ones: a grey image has the response of its colour copy. Otherwise every
    channel takes the mean of the old ones, where there are more than before the first ones keep their own, and all
    are scaled by old over new. In each case an image whose channels are equal keeps about its response.
    """
    import torch

    old = weight.shape[1]
    mean = weight.mean(1, keepdim=True)
    if channels <= old:
        return mean.expand(-1, channels, -1, -1).contiguous() * (old / channels)
    extra = mean.expand(-1, channels - old, -1, -1)
    return torch.cat([weight, extra], 1) * (old / channels)


def fetch_weights(encoder: str, name: str = "imagenet", source: str | None = None, sha256: str | None = None) -> Path:
    """Download weights into the cache and record their SHA-256; the one place that needs internet.

    Args:
        encoder: name of the encoder.
        name: of its weights.
        source: another URL to take them from; default the one that the encoder's library names.
        sha256: what they must hash to; default what the library or the server states, if anything.

    Returns:
        The file in the cache. One that is there and whole is kept.

    Raises:
        InputError: the encoder has no such weights, the download fails, or the hash is wrong.
    """
    kept = _cached(encoder, name)
    if kept is not None and kept.with_name(kept.name + ".json").is_file():
        check_hash(kept, sha256)
        return kept
    url, stated = (source, None) if source else published_source(encoder, name)
    suffix = ".safetensors" if url.endswith(".safetensors") else ".pth"
    target = cache_folder() / f"{encoder}.{name}.weights{suffix}"
    record = target.with_name(target.name + ".json")
    with replacing(target) as partial:
        linked = _download(url, partial)
        actual = file_hash(partial)
        expected = sha256 or (linked if re.fullmatch("[0-9a-f]{64}", linked) else None) or stated
        if expected and not actual.startswith(expected):
            raise InputError(f"{url}: the SHA-256 is {actual}, expected {expected}; nothing was kept. Try again")
        size = partial.stat().st_size
    storage.write_json(record, {"encoder": encoder, "weights": name, "source": url, "sha256": actual, "bytes": size})
    logging.info("weights %s of %s: %s (SHA-256 %s)", name, encoder, target, actual)
    return target


def published_source(encoder: str, name: str) -> tuple[str, str | None]:
    """Return the URL that the encoder's library names for its weights, and the beginning of their hash if stated.

    Raises:
        InputError: the encoder or its weights are unknown.
    """
    import segmentation_models_pytorch as smp
    import timm
    import torchvision
    from huggingface_hub import hf_hub_url

    from scan2seg.encoders.names import check_name

    check_name(encoder)
    if encoder.startswith("tv-"):
        url = str(torchvision.models.get_model_weights(encoder.removeprefix("tv-")).DEFAULT.url)
        return url, _hash_in_name(url)
    if encoder.startswith("tu-"):
        config = timm.get_pretrained_cfg(encoder.removeprefix("tu-"))
        if config is None or not (config.hf_hub_id or config.url):
            raise InputError(f"encoder {encoder}: timm has no pre-trained weights of it")
        if config.hf_hub_id:
            return str(hf_hub_url(config.hf_hub_id, config.hf_hub_filename or "model.safetensors")), None
        return str(config.url), _hash_in_name(str(config.url))
    choices = smp.encoders.encoders[encoder]["pretrained_settings"]
    if name not in choices:
        raise InputError(f"encoder {encoder}: has no weights '{name}'; choose one of {', '.join(choices)}")
    chosen = choices[name]
    return str(hf_hub_url(chosen["repo_id"], "model.safetensors", revision=chosen["revision"])), None


def _hash_in_name(url: str) -> str | None:
    found = re.search(r"-([0-9a-f]{8,})\.pth$", url)
    return found.group(1) if found else None


class _LinkedHash(urllib.request.HTTPRedirectHandler):
    """Follows redirections and keeps the SHA-256 that the hub states where it sends the client to its store."""

    value = ""

    def redirect_request(self, *arguments: Any) -> urllib.request.Request | None:
        headers = arguments[4]
        self.value = self.value or str(headers.get("X-Linked-Etag") or "")
        return super().redirect_request(*arguments)


def _download(url: str, target: Path) -> str:
    """Stream a URL to a file; return the SHA-256 that the server states, '' if it states none."""
    linked = _LinkedHash()
    try:
        with urllib.request.build_opener(linked).open(url) as response, target.open("wb") as file:
            total = int(response.headers.get("Content-Length") or 0) // _BLOCK_BYTES or None
            blocks = iter(lambda: response.read(_BLOCK_BYTES), b"")
            for block in logging.progress(blocks, "fetch weights (MiB)", total):
                file.write(block)
            stated = linked.value or str(response.headers.get("X-Linked-Etag") or "")
            return stated.strip('"').lower()
    except (OSError, ValueError) as error:
        raise InputError(f"{url}: cannot be downloaded ({error}); run this where there is internet") from None


def _match_names(state: dict[str, "Tensor"], target: dict[str, Any], name: str) -> dict[str, "Tensor"]:
    """Bring the file's names to the encoder's: known prefixes are added or dropped, whichever fits most."""
    state = {_DENSENET.sub(r"\1\2", key): value for key, value in state.items()}
    if name.startswith("tv-") and _overlap(state, target) < 0.5:
        from scan2seg.encoders.torchvision_models import source_names

        renamed = source_names(name, list(target))
        state = {renamed.get(key, key): value for key, value in state.items()}
    versions = [state, {f"model.{key}": value for key, value in state.items()}]
    for prefix in ("model.", "encoder.", "encoder.model.", "network.encoder.model.", "module.", "backbone."):
        cut = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
        versions.append(cut)
    return max(versions, key=lambda version: _overlap(version, target))


def _overlap(state: dict[str, Any], target: dict[str, Any]) -> float:
    return sum(key in state for key in target) / max(len(target), 1)


def _through_timm(encoder: "nn.Module", path: Path, name: str) -> dict[str, "Tensor"]:
    """Read a classifier's file of timm by timm's own rules, into the names of its feature extractor."""
    import segmentation_models_pytorch as smp

    depth = len(encoder.out_channels) - 1  # type: ignore[arg-type]
    overlay = {"file": str(path), "custom_load": False}
    try:
        built = smp.encoders.get_encoder(name, depth=depth, weights=True, pretrained_cfg_overlay=overlay)
    except (RuntimeError, KeyError, ValueError) as error:
        raise InputError(f"{path}: is not of encoder {name} ({str(error)[:200]})") from None
    state: dict[str, Tensor] = built.state_dict()
    return state


def _first_convolution(encoder: "nn.Module") -> str | None:
    import torch

    for name, module in encoder.named_modules():
        if isinstance(module, torch.nn.Conv2d):
            return f"{name}.weight"
    return None
