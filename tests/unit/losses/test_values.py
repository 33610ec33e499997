"""Losses against independent implementations: torch's own, scikit-learn, MONAI, plain loops."""

import math

import pytest
import torch
from monai.losses import DiceLoss
from sklearn.metrics import log_loss

from scan2seg import plugins

torch.set_num_threads(1)
torch.manual_seed(0)
LOGITS = torch.randn(3, 4, 8, 9)
TARGET = torch.randint(0, 4, (3, 8, 9))


def make(name: str, class_weights: torch.Tensor | None = None, **settings: object):
    module = plugins.load("losses", name)
    return module.build(module.Params.model_validate(settings), class_weights)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weights", [None, torch.tensor([0.1, 1.0, 2.0, 0.5])])
def test_cross_entropy_is_torchs(smoothing: float, weights: torch.Tensor | None) -> None:
    target = TARGET.clone()
    target[0, :2] = 255
    expected = torch.nn.functional.cross_entropy(
        LOGITS, target, weight=weights, ignore_index=255, label_smoothing=smoothing
    )
    assert torch.allclose(make("cross_entropy", weights, label_smoothing=smoothing)(LOGITS, target, None), expected)


def test_cross_entropy_weighs_pixels() -> None:
    weights = torch.rand(TARGET.shape)
    values = torch.nn.functional.cross_entropy(LOGITS, TARGET, reduction="none")
    expected = (values * weights).sum() / weights.sum()
    assert torch.allclose(make("cross_entropy")(LOGITS, TARGET, weights), expected)


def test_cross_entropy_balances_by_the_batch() -> None:
    target = torch.zeros(1, 4, 5, dtype=torch.int64)
    target[0, 0, :2] = 1
    target[0, 1, 0] = 2
    logits = torch.randn(1, 3, 4, 5)
    pixels = torch.nn.functional.cross_entropy(logits, target, reduction="none")[0]
    weights = {0: 0.1 * 17 / 20, 1: 20 / (3 * 2), 2: 20 / 3}
    total = sum(weights[int(target[0, y, x])] * float(pixels[y, x]) for y in range(4) for x in range(5))
    mass = sum(weights[int(value)] for value in target.flatten())
    loss = make("cross_entropy", class_balance="batch", background_factor=0.1)
    assert float(loss(logits, target, None)) == pytest.approx(total / mass, rel=1e-5)


def test_bce_of_two_classes_is_the_log_loss_of_scikit_learn() -> None:
    logits, target = LOGITS[:, :2], TARGET % 2
    probability = torch.sigmoid(logits[:, 1] - logits[:, 0]).flatten().double()
    expected = log_loss(target.flatten(), probability.numpy())
    assert float(make("bce")(logits, target, None)) == pytest.approx(expected, rel=1e-5)


def test_bce_of_more_classes_is_one_against_the_rest() -> None:
    probability = LOGITS.double().softmax(1)
    total = 0.0
    for n in range(3):
        for k in range(4):
            for y in range(8):
                for x in range(9):
                    p = float(probability[n, k, y, x])
                    total -= math.log(p) if TARGET[n, y, x] == k else math.log(1 - p)
    assert float(make("bce")(LOGITS, TARGET, None)) == pytest.approx(total / LOGITS.numel(), rel=1e-5)


@pytest.mark.parametrize("per", ["batch", "sample"])
@pytest.mark.parametrize("background", [True, False])
def test_dice_is_monais(per: str, background: bool) -> None:
    reference = DiceLoss(
        include_background=background, to_onehot_y=True, softmax=True, batch=per == "batch", smooth_nr=1e-5
    )
    expected = reference(LOGITS, TARGET[:, None])
    loss = make("dice", per=per, include_background=background)
    assert torch.allclose(loss(LOGITS, TARGET, None), expected, atol=1e-6)
