"""Losses against independent implementations: torch's own, scikit-learn, MONAI, plain loops."""

import math

import numpy as np
import pytest
import torch
from monai.losses import DiceLoss, TverskyLoss
from sklearn.metrics import jaccard_score, log_loss

from scan2seg import plugins
from scan2seg.losses.boundary import signed_distance

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


@pytest.mark.parametrize("per", ["batch", "sample"])
def test_tversky_is_monais(per: str) -> None:
    reference = TverskyLoss(
        to_onehot_y=True, softmax=True, alpha=0.2, beta=0.7, batch=per == "batch", smooth_nr=1e-5, smooth_dr=1e-5
    )
    loss = make("tversky", per=per, false_positives=0.2, false_negatives=0.7)
    assert torch.allclose(loss(LOGITS, TARGET, None), reference(LOGITS, TARGET[:, None]), atol=1e-6)


def test_squared_dice_is_monais() -> None:
    reference = DiceLoss(to_onehot_y=True, softmax=True, batch=True, squared_pred=True, smooth_nr=1e-5)
    loss = make("dice", squared=True)
    assert torch.allclose(loss(LOGITS, TARGET, None), reference(LOGITS, TARGET[:, None]), atol=1e-6)


def one_at_a_time(name: str, **settings: object) -> list[float]:
    """Return the loss of each class by itself: that of weights which are 0 for the others."""
    return [float(make(name, torch.eye(4)[index], **settings)(LOGITS, TARGET, None)) for index in range(4)]


def test_each_class_of_dice_and_tversky_is_monais() -> None:
    dice = DiceLoss(to_onehot_y=True, softmax=True, batch=True, smooth_nr=1e-5, reduction="none")
    assert one_at_a_time("dice") == pytest.approx(dice(LOGITS, TARGET[:, None]).flatten().tolist(), abs=1e-6)
    shares = {"alpha": 0.3, "beta": 0.7, "smooth_nr": 1e-5, "smooth_dr": 1e-5}
    tversky = TverskyLoss(to_onehot_y=True, softmax=True, batch=True, reduction="none", **shares)
    found = tversky(LOGITS, TARGET[:, None]).flatten()
    assert one_at_a_time("tversky") == pytest.approx(found.tolist(), abs=1e-6)
    assert one_at_a_time("tversky", gamma=2.0) == pytest.approx((found**2).tolist(), abs=1e-6)


@pytest.mark.parametrize("name", ["dice", "tversky", "boundary", "lovasz"])
def test_classes_are_averaged_by_their_weights(name: str) -> None:
    weights = torch.tensor([0.1, 1.0, 2.0, 0.5])
    expected = np.average(one_at_a_time(name), weights=weights)
    assert float(make(name, weights)(LOGITS, TARGET, None)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("name", ["bce", "focal", "mse"])
def test_pixels_are_averaged_by_the_weights_of_their_classes(name: str) -> None:
    weights = torch.tensor([0.1, 1.0, 2.0, 0.5])
    places = [(n, y, x) for n in range(3) for y in range(8) for x in range(9)]
    values = [
        float(make(name)(LOGITS[n, :, y, x][None, :, None, None], TARGET[n, y, x][None, None, None], None))
        for n, y, x in places
    ]
    expected = np.average(values, weights=[float(weights[TARGET[place]]) for place in places])
    assert float(make(name, weights)(LOGITS, TARGET, None)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("name", ["cross_entropy", "bce", "focal", "mse", "dice", "tversky"])
def test_a_pixel_of_weight_two_counts_as_two_pixels(name: str) -> None:
    repeats = torch.tensor([1, 2, 1, 3, 1, 1, 0, 2, 1])
    weights = repeats.float().expand(3, 8, 9)
    longer = torch.repeat_interleave(LOGITS, repeats, dim=3), torch.repeat_interleave(TARGET, repeats, dim=2)
    assert torch.allclose(make(name)(LOGITS, TARGET, weights), make(name)(*longer, None), rtol=1e-5)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_focal_is_the_formula_pixel_by_pixel(gamma: float) -> None:
    probability = LOGITS.double().softmax(1)
    values = []
    for n in range(3):
        for y in range(8):
            for x in range(9):
                p = float(probability[n, TARGET[n, y, x], y, x])
                values.append(-((1 - p) ** gamma) * math.log(p))
    assert float(make("focal", gamma=gamma)(LOGITS, TARGET, None)) == pytest.approx(sum(values) / len(values), rel=1e-5)


def test_lovasz_of_hard_predictions_is_one_minus_the_iou_of_scikit_learn() -> None:
    guess = LOGITS.argmax(1)
    hard = 100 * torch.nn.functional.one_hot(guess, 4).movedim(-1, 1).float()
    expected = 1 - jaccard_score(TARGET.flatten(), guess.flatten(), average="macro")
    assert float(make("lovasz")(hard, TARGET, None)) == pytest.approx(expected, abs=1e-6)


def test_lovasz_of_soft_predictions_is_the_sum_over_level_sets() -> None:
    """The extension is the mean over thresholds u in 0..1 of the loss of the set of errors above u."""
    probability = LOGITS.softmax(1)
    total = 0.0
    thresholds = (torch.arange(4000) + 0.5) / 4000
    for k in range(4):
        truth = TARGET.flatten() == k
        errors = (truth.float() - probability[:, k].flatten()).abs()
        for u in thresholds:
            wrong = errors > u
            total += float((truth & wrong).sum() + (~truth & wrong).sum()) / float((truth | wrong).sum()) / 4000 / 4
    assert float(make("lovasz")(LOGITS, TARGET, None)) == pytest.approx(total, abs=1e-3)


@pytest.mark.parametrize("kind", ["one_hot", "grey"])
def test_mse_is_the_formula(kind: str) -> None:
    probability = LOGITS.softmax(1).numpy()
    if kind == "one_hot":
        expected = ((probability - np.eye(4)[TARGET].transpose(0, 3, 1, 2)) ** 2).mean()
    else:
        grey = np.tensordot(probability, np.arange(4) / 3, axes=([1], [0]))
        expected = ((grey - TARGET.numpy() / 3) ** 2).mean()
    assert float(make("mse", target=kind)(LOGITS, TARGET, None)) == pytest.approx(float(expected), rel=1e-5)


def test_boundary_distance_is_that_to_the_nearest_pixel_of_the_other_side() -> None:
    torch.manual_seed(2)
    mask = torch.zeros(1, 1, 12, 14)
    mask[0, 0, 3:8, 4:9] = 1
    mask[0, 0, 9, 1] = 1
    found = signed_distance(mask[0].numpy() > 0, 100)[0]
    places = [(y, x) for y in range(12) for x in range(14)]
    for y, x in places:
        other = [math.dist((y, x), (v, u)) for v, u in places if mask[0, 0, v, u] != mask[0, 0, y, x]]
        sign = -1 if mask[0, 0, y, x] else 1
        assert float(found[y, x]) == pytest.approx(sign * (min(other) - 0.5), abs=1e-5)


def test_boundary_loss_is_nothing_at_the_truth_and_grows_with_the_error() -> None:
    loss = make("boundary")
    target = torch.zeros(1, 16, 16, dtype=torch.int64)
    target[:, 4:10, 4:10] = 1

    def cost(shift: int) -> float:
        moved = torch.roll(target, shift, -1)
        return float(loss(50 * torch.nn.functional.one_hot(moved, 2).movedim(-1, 1).float(), target, None))

    costs = [cost(shift) for shift in range(5)]
    assert costs[0] == pytest.approx(0, abs=1e-6)
    assert costs == sorted(costs)
