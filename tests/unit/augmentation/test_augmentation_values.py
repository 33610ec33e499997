"""Geometry and grey levels of the augmentations against what they say."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from scan2seg import plugins
from scan2seg.augmentation import affine, elastic
from scan2seg.augmentation.smoothing import smooth
from scan2seg.augmentation.warping import identity_grid, warp

torch.set_num_threads(1)


def apply(name: str, images: torch.Tensor, labels: torch.Tensor | None = None, **values: object):
    module = plugins.load("augmentation", name)
    labels = torch.zeros(len(images), *images.shape[2:], dtype=torch.uint8) if labels is None else labels
    return module.apply(module.Params.model_validate({"probability": 1, **values}), images, labels)


def centre(mask: torch.Tensor) -> tuple[float, float]:
    places = torch.nonzero(mask > 0.5).float()
    return float(places[:, 0].mean()), float(places[:, 1].mean())


@pytest.mark.parametrize(("height", "width"), [(65, 65), (65, 97)])
def test_rotation_keeps_lengths_and_turns_by_the_drawn_angle(height: int, width: int, monkeypatch) -> None:
    monkeypatch.setattr("scan2seg.augmentation.drawing.uniform", lambda n, low, high: torch.full((n,), high))
    labels = torch.zeros(1, height, width, dtype=torch.uint8)
    labels[0, height // 2 - 1 : height // 2 + 2, width // 2 + 17 : width // 2 + 22] = 1
    params = affine.Params(probability=1, rotation=30, shift=0, zoom=0, shear=0)
    image, moved = affine.apply(params, labels[:, None].float(), labels)
    for found in (centre(moved[0]), centre(image[0, 0])):
        rows, columns = found[0] - height // 2, found[1] - width // 2
        assert math.hypot(rows, columns) == pytest.approx(19, abs=0.7)
        assert abs(math.degrees(math.atan2(rows, columns))) == pytest.approx(30, abs=2)


def test_shift_and_zoom_have_the_drawn_size(monkeypatch) -> None:
    monkeypatch.setattr("scan2seg.augmentation.drawing.uniform", lambda n, low, high: torch.full((n,), high))
    labels = torch.zeros(1, 60, 80, dtype=torch.uint8)
    labels[0, 26:34, 36:44] = 1
    images = labels[:, None].float()
    _, shifted = affine.apply(affine.Params(probability=1, rotation=0, shift=0.1, zoom=0), images, labels)
    assert [abs(a - b) for a, b in zip(centre(shifted[0]), (29.5, 39.5), strict=True)] == [6, 8]
    _, zoomed = affine.apply(affine.Params(probability=1, rotation=0, shift=0, zoom=0.5), images, labels)
    assert int(zoomed.sum()) == 12 * 12


@settings(max_examples=10, deadline=None)
@given(height=st.integers(1, 9), width=st.integers(1, 9))
def test_no_warp_changes_nothing_at_any_size(height: int, width: int) -> None:
    images, labels = torch.rand(2, 1, height, width), torch.randint(0, 3, (2, height, width))
    grid = identity_grid(2, height, width, images.device)
    for border in ("mirror", "ignore"):
        new_images, new_labels = warp(images, labels, grid, torch.ones(2, dtype=torch.bool), border)
        assert torch.allclose(new_images, images, atol=1e-5)
        assert torch.equal(new_labels, labels)


def test_borders_are_mirrored_or_ignored() -> None:
    images = torch.arange(8.0).reshape(1, 1, 1, 8).expand(1, 1, 8, 8)
    labels = images[:, 0].to(torch.int64)
    grid = identity_grid(1, 8, 8, images.device) + torch.tensor([0.5, 0.0])
    moved = torch.ones(1, dtype=torch.bool)
    assert warp(images, labels, grid, moved, "mirror")[1][0, 0].tolist() == [2, 3, 4, 5, 6, 7, 7, 6]
    assert warp(images, labels, grid, moved, "ignore")[1][0, 0].tolist() == [2, 3, 4, 5, 6, 7, 255, 255]
    assert warp(images, labels, grid, moved, "ignore")[0][0, 0, 0].tolist() == pytest.approx([2, 3, 4, 5, 6, 7, 7, 6])


def test_smoothing_is_scipys() -> None:
    planes = torch.rand(2, 1, 20, 33)
    found = smooth(planes, torch.tensor([0.7, 2.0]))
    for index, sigma in enumerate((0.7, 2.0)):
        expected = gaussian_filter(planes[index, 0].numpy(), sigma, mode="mirror", radius=8)
        np.testing.assert_allclose(found[index, 0], expected, atol=1e-5)


def test_elastic_shifts_are_as_large_as_said() -> None:
    torch.manual_seed(0)
    ramp = torch.linspace(0, 255, 256).expand(4, 1, 256, 256)
    params = elastic.Params(probability=1)
    moved, _ = elastic.apply(params, ramp, torch.zeros(4, 256, 256, dtype=torch.uint8))
    shift = (moved - ramp)[..., 64:-64, 64:-64]
    assert 3 < float(shift.square().mean().sqrt()) < 8
    assert float((shift[..., 1:] - shift[..., :-1]).abs().max()) < 1.5


def test_grey_levels_move_as_said() -> None:
    torch.manual_seed(0)
    images = torch.rand(200, 1, 8, 8)
    brighter = (apply("brightness", images, amount=0.3)[0] - images).flatten(1)
    assert torch.allclose(brighter, brighter[:, :1].expand_as(brighter), atol=1e-6)
    assert 0.25 < float(brighter.abs().max()) <= 0.3
    ratio = apply("contrast", images, amount=0.4)[0].flatten(1).std(1) / images.flatten(1).std(1)
    assert 0.6 <= float(ratio.min()) < 0.65
    assert 1.35 < float(ratio.max()) <= 1.4001
    bent = apply("gamma", images, low=2, high=2)[0]
    low, high = images.amin((2, 3), keepdim=True), images.amax((2, 3), keepdim=True)
    assert torch.allclose((bent - low) / (high - low), ((images - low) / (high - low)) ** 2, atol=1e-5)
    noise = apply("noise", torch.zeros(400, 1, 16, 16), amount=0.2)[0].flatten(1).std(1)
    assert float(noise.max()) < 0.23
    assert float(noise.mean()) == pytest.approx(0.1, abs=0.02)


def test_foreground_crop_finds_the_foreground_and_mix_takes_image_and_label_together() -> None:
    torch.manual_seed(0)
    labels = torch.zeros(20, 64, 64, dtype=torch.uint8)
    labels[:, 40:60, 40:60] = 1
    images = labels[:, None].float()
    _, cropped = apply("foreground_crop", images, labels, fraction=0.4)
    assert float(cropped.float().mean()) > 1.5 * float(labels.float().mean())
    numbered = torch.arange(20.0).reshape(20, 1, 1, 1).expand(20, 1, 16, 16)
    mixed, mixed_labels = apply("mix", numbered, numbered[:, 0].to(torch.uint8))
    assert torch.equal(mixed[:, 0].to(torch.uint8), mixed_labels)
    assert all(len(one.unique()) == 2 for one in mixed)


def test_volumes_change_alike_in_every_plane() -> None:
    for name in plugins.names("augmentation"):
        torch.manual_seed(0)
        plane = torch.rand(4, 1, 1, 16, 16).expand(4, 1, 3, 16, 16).contiguous()
        labels = (plane[:, 0] > 0.5).to(torch.uint8)
        images, maps = apply(name, plane, labels)
        assert images.shape == plane.shape
        if name != "noise":
            assert torch.allclose(images[:, :, 0], images[:, :, 2], atol=1e-5)
        assert torch.equal(maps[:, 0], maps[:, 2])
