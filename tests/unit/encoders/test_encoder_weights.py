"""Weights: cache, hashes, names, channels; each refused with a message where they do not fit."""

import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from scan2seg.encoders.build import build_encoder, create
from scan2seg.encoders.settings import EncoderSettings
from scan2seg.encoders.weights import adapt_channels, fetch_weights, file_hash, find_weights
from scan2seg.errors import InputError

torch.set_num_threads(1)


class Settings(EncoderSettings):
    encoder: str = "resnet18"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SCAN2SEG_WEIGHTS", str(tmp_path / "cache"))
    return tmp_path / "cache"


def features(channels: int, **values: object) -> tuple[torch.nn.Module, list[torch.Tensor]]:
    encoder, _ = build_encoder(Settings(**values), channels)
    with torch.no_grad():
        grey = torch.randn(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))
        return encoder, encoder.eval()(grey.expand(-1, channels, -1, -1))


def test_fetched_weights_are_recorded_checked_and_used(cache: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    original = create("resnet18", 3)
    save_file({**original.state_dict(), "fc.weight": torch.zeros(2, 2)}, tmp_path / "published.safetensors")
    url = (tmp_path / "published.safetensors").as_uri()
    with pytest.raises(InputError, match="scan2seg fetch-weights resnet18"):
        build_encoder(Settings(pretrained="imagenet"), 3)
    with pytest.raises(InputError, match="expected 0000"):
        fetch_weights("resnet18", source=url, sha256="0" * 64)
    assert find_weights("resnet18", "none") is None
    assert not list(cache.glob("*.weights*"))
    path = fetch_weights("resnet18", source=url)
    assert path == find_weights("resnet18", "imagenet") == fetch_weights("resnet18", source="file:///nothing")
    reference = original.eval()(
        torch.randn(1, 1, 64, 64, generator=torch.Generator().manual_seed(0)).expand(-1, 3, -1, -1)
    )
    for channels in (1, 3, 4, 7):
        _, found = features(channels, pretrained="imagenet", sha256=file_hash(path))
        assert torch.allclose(found[-1], reference[-1], atol=1e-4)
    with path.open("r+b") as file:
        file.seek(-8, os.SEEK_END)
        file.write(b"\x01\x02\x03\x04")
    with pytest.raises(InputError, match="the SHA-256 is"):
        build_encoder(Settings(pretrained="imagenet"), 3)


def test_the_hash_that_the_hub_states_before_it_redirects_is_checked(cache: Path, tmp_path: Path) -> None:
    file = tmp_path / "published.safetensors"
    save_file({"fc.weight": torch.zeros(2, 2)}, file)
    stated = [file_hash(file)]

    class Hub(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/hub.safetensors":
                self.send_response(302)
                self.send_header("X-Linked-Etag", f'"{stated[0]}"')
                self.send_header("Location", "/store")
                self.end_headers()
                return
            self.send_response(200)
            self.send_header("ETag", f'"{"f" * 64}"')
            self.end_headers()
            self.wfile.write(file.read_bytes())

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/hub.safetensors"
        kept = fetch_weights("resnet18", source=url)
        assert file_hash(kept) == stated[0]
        kept.unlink()
        stated[0] = "0" * 64
        with pytest.raises(InputError, match="expected 0000"):
            fetch_weights("resnet18", source=url)
        server.shutdown()


@pytest.mark.parametrize("name", ["densenet121", "mobilenet_v2", "tu-resnet10t", "tv-squeezenet1_1", "mit_b0"])
def test_a_torch_file_of_an_encoder_loads(name: str, tmp_path: Path) -> None:
    torch.manual_seed(1)
    original = create(name, 3).eval()
    torch.save(
        {"state_dict": {f"encoder.{key}": value for key, value in original.state_dict().items()}}, tmp_path / "a.pt"
    )
    encoder, _ = build_encoder(Settings(encoder=name, pretrained=str(tmp_path / "a.pt")), 3)
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.allclose(encoder.eval()(images)[-1], original(images)[-1], atol=1e-5)


def test_classifier_files_of_timm_and_torchvision_load(tmp_path: Path) -> None:
    import timm
    import torchvision

    torch.manual_seed(1)
    for name, classifier in (
        ("tu-efficientnet_b0", timm.create_model("efficientnet_b0")),
        ("tv-squeezenet1_0", torchvision.models.squeezenet1_0(weights=None)),
    ):
        torch.save(classifier.state_dict(), tmp_path / "classifier.pth")
        encoder, _ = build_encoder(Settings(encoder=name, pretrained=str(tmp_path / "classifier.pth")), 1)
        wanted = {value.double().sum().item() for value in classifier.state_dict().values() if value.ndim == 4}
        loaded = [value.double().sum().item() for value in encoder.state_dict().values() if value.ndim == 4][1:]
        assert set(loaded) <= wanted


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    torch.save(create("resnet34", 3).state_dict(), tmp_path / "other.pt")
    state = create("resnet18", 3).state_dict()
    state["layer1.0.conv1.weight"] = torch.zeros(64, 64, 1, 1)
    torch.save(state, tmp_path / "shape.pt")
    torch.save({"f": print}, tmp_path / "code.pt")
    (tmp_path / "text.safetensors").write_text("hello")
    cases = {"shape.pt": "has the shape", "code.pt": "more than tensors", "text.safetensors": "cannot be read"}
    for file, message in cases.items():
        with pytest.raises(InputError, match=message):
            build_encoder(Settings(pretrained=str(tmp_path / file)), 3)
    with pytest.raises(InputError, match="are missing"):
        build_encoder(Settings(encoder="mobilenet_v2", pretrained=str(tmp_path / "other.pt")), 3)
    with pytest.raises(InputError, match="no such file"):
        build_encoder(Settings(pretrained=str(tmp_path / "nothing.pt")), 3)


@settings(max_examples=15, deadline=None)
@given(old=st.integers(1, 5), new=st.integers(1, 9))
def test_an_image_of_equal_channels_keeps_its_response(old: int, new: int) -> None:
    weight = torch.randn(4, old, 3, 3)
    adapted = adapt_channels(weight, new)
    assert adapted.shape == (4, new, 3, 3)
    assert torch.allclose(adapted.sum(1), weight.sum(1), atol=1e-5)
