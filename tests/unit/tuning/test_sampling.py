"""Drawing values: the same seed gives the same values, and tpe learns from the results before it."""

import math
import subprocess
import sys

import pytest

from scan2seg.config.study import TrialSettings
from scan2seg.tuning.sampling import draw_values

RATE, DROPOUT = {"low": 1e-5, "high": 1.0, "log": True}, {"values": [None, [0.1, 0.2], {"a": False}, 0]}
SPACE = {"dropout": DROPOUT, "rate": RATE, "size": {"low": 4, "high": 16, "step": 4}}


RECIPE = {"architecture": "otsu"}


def job(number: int, sampler: str = "tpe", **changes) -> TrialSettings:
    content = {"sampler": sampler, "seed": 1, "number": number, "space": SPACE, "startup": 4}
    return TrialSettings.model_validate({**content, "recipe": RECIPE, "own_patches": False, **changes})


def play(count: int, sampler: str, seed: int = 1) -> list[dict]:
    """Run a study whose best rate is 0.003."""
    results: list[dict] = []
    for number in range(count):
        earlier = results if sampler == "tpe" and number >= 4 else []
        values = draw_values(job(number, sampler, seed=seed), True, earlier)
        results.append({"values": values, "score": -abs(math.log10(values["rate"] / 0.003))})
    return results


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_seed_and_number_decide_the_values(sampler: str) -> None:
    results = play(8, sampler)
    assert results == play(8, sampler)
    assert results != play(8, sampler, seed=2)
    assert len({result["values"]["rate"] for result in results}) == 8
    for values in (result["values"] for result in results):
        assert 1e-5 <= values["rate"] <= 1 and values["size"] in (4, 8, 12, 16) and isinstance(values["size"], int)
        assert values["dropout"] in DROPOUT["values"]


def test_values_are_the_same_in_another_process() -> None:
    results = play(6, "tpe")
    script = (
        "from scan2seg.config.study import TrialSettings; from scan2seg.tuning.sampling import draw_values;"
        f"print(draw_values(TrialSettings.model_validate({job(6).content()}), True, {results}))"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == str(draw_values(job(6), True, results))


def test_a_grid_takes_its_point() -> None:
    assert draw_values(job(0, values={"rate": 0.5}), True) == {"rate": 0.5}


def test_tpe_learns_and_random_does_not() -> None:
    late = {sampler: [result["score"] for seed in range(3) for result in play(24, sampler, seed)[16:]] for sampler in ("tpe", "random")}  # fmt: skip
    assert sum(late["tpe"]) / len(late["tpe"]) > sum(late["random"]) / len(late["random"]) + 0.4


def test_the_direction_of_the_score_matters() -> None:
    results = play(12, "tpe")
    upwards, downwards = (
        [abs(math.log10(draw_values(job(12, seed=seed), up, results)["rate"] / 0.003)) for seed in range(6)]
        for up in (True, False)
    )
    assert sum(upwards) < sum(downwards)


def test_trials_of_one_round_differ_and_failed_ones_are_avoided() -> None:
    results = play(12, "tpe")
    rates = [draw_values(job(number), True, results)["rate"] for number in range(12, 16)]
    assert len(set(rates)) == 4
    failed = [{**result, "score": None if result["values"]["rate"] > 1e-3 else 0.5} for result in play(24, "random")]
    drawn = [draw_values(job(24, seed=seed), True, failed)["rate"] for seed in range(6)]
    assert sum(rate < 1e-3 for rate in drawn) >= 5
