"""Every loss keeps the folder's promise: ignored pixels do not count, right is better than wrong, gradients."""

import pytest
import torch

from scan2seg import plugins

torch.set_num_threads(1)
NAMES = plugins.names("losses")


def make(name: str, class_weights: torch.Tensor | None = None, **settings: object):
    module = plugins.load("losses", name)
    return module.build(module.Params.model_validate(settings), class_weights)


def batch(classes: int, seed: int = 0, size: tuple[int, ...] = (9, 11)) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(2, classes, *size, generator=generator)
    return logits, torch.randint(0, classes, (2, *size), generator=generator)


SIZES = pytest.mark.parametrize("size", [(9, 11), (5, 9, 11)])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("classes", [2, 4])
@SIZES
def test_the_truth_costs_less_than_chance_and_chance_less_than_the_opposite(
    name: str, classes: int, size: tuple[int, ...]
) -> None:
    loss = make(name)
    _, target = batch(classes, size=size)
    truth = torch.nn.functional.one_hot(target, classes).movedim(-1, 1).float()
    right, chance, wrong = (float(loss(factor * truth, target, None)) for factor in (8.0, 0.0, -8.0))
    assert right < chance < wrong


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("classes", [2, 4])
@SIZES
def test_ignored_pixels_change_neither_value_nor_gradient(name: str, classes: int, size: tuple[int, ...]) -> None:
    loss = make(name, torch.linspace(0.5, 2, classes))
    logits, target = batch(classes, size=size)
    target[:, :3] = 255
    changed = logits.clone()
    changed[:, :, :3] = 50 * torch.randn(changed[:, :, :3].shape)
    changed.requires_grad_()
    value = loss(changed, target, torch.ones(target.shape))
    value.backward()
    assert value.dtype == torch.float32
    assert value.ndim == 0
    assert float(value) == pytest.approx(float(loss(logits, target, None)), rel=1e-5)
    assert (changed.grad[:, :, :3] == 0).all()
    assert (changed.grad[:, :, 3:] != 0).any()


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_without_labels_has_no_gradient(name: str) -> None:
    logits, target = batch(3)
    logits.requires_grad_()
    value = make(name)(logits, torch.full_like(target, 255), None)
    value.backward()
    assert float(value) == pytest.approx(0, abs=1e-6)
    assert (logits.grad == 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_mixed_precision_does_not_reach_inside(name: str) -> None:
    logits, target = batch(3)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = make(name)(logits, target, None)
    assert torch.equal(mixed, make(name)(logits, target, None))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("background", [True, False])
def test_a_class_missing_from_training_gives_no_nan(name: str, background: bool) -> None:
    has_setting = "include_background" in plugins.load("losses", name).Params.model_fields
    settings = {"include_background": background} if has_setting else {}
    logits, _ = batch(2)
    logits.requires_grad_()
    for present in (0, 1):
        weights = torch.tensor([1.0 - present, float(present)])
        value = make(name, weights, **settings)(logits, torch.zeros(2, 9, 11, dtype=torch.int64), None)
        value.backward()
        assert torch.isfinite(value) and torch.isfinite(logits.grad).all()


@pytest.mark.parametrize("name", NAMES)
def test_half_precision_and_extreme_logits_stay_finite(name: str) -> None:
    logits, target = batch(3)
    extreme = (300 * logits).bfloat16().requires_grad_()
    value = make(name)(extreme, target, None)
    value.backward()
    assert torch.isfinite(value)
    assert torch.isfinite(extreme.grad).all()


@pytest.mark.parametrize("name", [n for n in NAMES if n != "boundary"])
def test_a_volume_costs_what_its_slices_cost_side_by_side(name: str) -> None:
    logits, target = batch(3, size=(5, 9, 11))
    weights = torch.rand(target.shape)
    flat = make(name)(logits.flatten(2, 3), target.flatten(1, 2), weights.flatten(1, 2))
    torch.testing.assert_close(make(name)(logits, target, weights), flat)


@pytest.mark.parametrize("name", NAMES)
def test_class_weights_multiply_the_weights_of_pixels_where_a_loss_says_so_and_nowhere_else(name: str) -> None:
    logits, target = batch(3)
    weights = torch.tensor([0.5, 1.0, 3.0])
    pixels = torch.linspace(0.1, 2, target.numel()).reshape(target.shape)
    together = make(name, weights)(logits, target, pixels)
    multiplied = make(name)(logits, target, weights[target] * pixels)
    says = getattr(plugins.load("losses", name), "CLASSES_WEIGH_PIXELS", False)
    assert torch.allclose(together, multiplied) == says
