"""Every augmentation keeps the folder's promise: samples on their own, labels with the image, seeds, no new labels."""

import pytest
import torch

from scan2seg import plugins

torch.set_num_threads(1)
NAMES = plugins.names("augmentation")


def run(name: str, images: torch.Tensor, labels: torch.Tensor, seed: int = 0, **settings: object):
    module = plugins.load("augmentation", name)
    torch.manual_seed(seed)
    return module.apply(module.Params.model_validate(settings), images, labels)


def batch(count: int = 16, size: tuple[int, ...] = (24, 24)) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(5)
    images = torch.rand(count, 2, *size, generator=generator)
    return images, torch.randint(0, 3, (count, *size), generator=generator).to(torch.uint8)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64])
@pytest.mark.parametrize("size", [(24, 24), (18, 31), (5, 24, 24)])
def test_shapes_types_and_inputs_stay(name: str, dtype: torch.dtype, size: tuple[int, ...]) -> None:
    images, labels = batch(size=size)
    labels = labels.to(dtype)
    kept = images.clone(), labels.clone()
    new_images, new_labels = run(name, images, labels, probability=1)
    assert (new_images.shape, new_images.dtype) == (images.shape, torch.float32)
    assert (new_labels.shape, new_labels.dtype) == (labels.shape, dtype)
    assert torch.isfinite(new_images).all()
    assert set(new_labels.unique().tolist()) <= {0, 1, 2, 255}
    assert torch.equal(images, kept[0])
    assert torch.equal(labels, kept[1])


@pytest.mark.parametrize("name", NAMES)
def test_each_sample_is_drawn_on_its_own_and_the_rest_stay_bit_for_bit(name: str) -> None:
    images, labels = batch(64)
    new_images, new_labels = run(name, images, labels, probability=0.5)
    same = (new_images == images).flatten(1).all(1) & (new_labels == labels).flatten(1).all(1)
    assert 8 <= int(same.sum()) <= 56
    one = images[:1].expand(8, -1, -1, -1).contiguous(), labels[:1].expand(8, -1, -1).contiguous()
    varied, _ = run(name, *one, probability=0.5)
    assert len(varied.flatten(1).unique(dim=0)) > 1 or name == "mix"


@pytest.mark.parametrize("name", NAMES)
def test_a_seed_fixes_the_result_and_zero_probability_changes_nothing(name: str) -> None:
    images, labels = batch()
    first, again, other = (run(name, images, labels, seed, probability=0.5) for seed in (1, 1, 2))
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])
    assert not torch.equal(first[0], other[0])
    never = run(name, images, labels, probability=0)
    assert torch.equal(never[0], images)
    assert torch.equal(never[1], labels)


@pytest.mark.parametrize("name", [n for n in NAMES if n != "mix"])
def test_the_label_moves_with_the_image(name: str) -> None:
    labels = torch.zeros(16, 48, 48, dtype=torch.int64)
    labels[:, 10:30, 12:26] = 1
    images = labels[:, None].float() * torch.tensor([1.0, 0.5])[:, None, None]
    new_images, new_labels = run(name, images, labels, probability=1)
    inside, outside = (new_images[:, 0][new_labels == value] for value in (1, 0))
    contrast = (inside.median() - outside.median()).abs()
    assert contrast > 0.3
    wrong = ((new_images[:, 0] - inside.median()).abs() < contrast / 2) != (new_labels == 1)
    assert wrong[new_labels != 255].float().mean() < 0.08


@pytest.mark.parametrize("name", [n for n in NAMES if n not in ("mix", "noise")])
def test_a_volume_is_changed_the_same_in_every_plane(name: str) -> None:
    images, labels = batch()
    flat_images, flat_labels = run(name, images, labels, seed=3, probability=0.8)
    deep = images[:, :, None].repeat(1, 1, 3, 1, 1), labels[:, None].repeat(1, 3, 1, 1)
    new_images, new_labels = run(name, *deep, seed=3, probability=0.8)
    assert not torch.equal(new_images, deep[0])
    for plane in range(3):
        torch.testing.assert_close(new_images[:, :, plane], flat_images, atol=1e-5, rtol=1e-5)
        assert torch.equal(new_labels[:, plane], flat_labels)


def test_a_mixed_volume_takes_the_same_rectangle_from_every_plane() -> None:
    labels = (
        torch.arange(6).expand(4, 6).reshape(4, 6, 1, 1).repeat(1, 1, 20, 20)
        + 10 * torch.arange(4)[:, None, None, None]
    )
    images, mixed = run("mix", labels[:, None].float(), labels, probability=1)
    assert torch.equal(images[:, 0].long(), mixed)
    foreign = mixed != labels
    assert foreign.flatten(1).any(1).all() and (foreign == foreign[:, :1]).all()
    assert torch.equal(mixed % 10, labels % 10)
