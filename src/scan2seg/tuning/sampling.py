"""The values of a trial, drawn by Optuna; the only place that knows of it.

No database: a job rebuilds the study in memory from the results of the trials before it, so that its values depend on
the settings, the seed, its number and those results alone.
"""

import json
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState

from scan2seg.config.searched_key import SearchedKey
from scan2seg.config.study import TrialSettings
from scan2seg.documents import Json


def draw_values(settings: TrialSettings, maximise: bool, earlier: Sequence[Json] = ()) -> dict[str, Any]:
    """Return the values of one trial by key.

    Args:
        settings: of the trial: its ``values``, or how to draw them.
        maximise: whether a larger score is better.
        earlier: trial.json of the trials of all rounds before, in their order; the score of a failed one is None.

    Source of tpe: Bergstra et al., Algorithms for hyper-parameter optimization, NeurIPS 2011, as in Optuna.
    """
    if settings.values is not None:
        return dict(settings.values)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    space = settings.space
    distributions = {key: _distribution(searched) for key, searched in space.items()}
    study = optuna.create_study(direction="maximize" if maximise else "minimize")
    for result in earlier:
        study.add_trial(_past_trial(result, space, distributions))
    drawn: dict[str, Any] = {}
    # the trials of this round that run beside it are asked for as well, so that tpe keeps its distance from them
    for number in range(len(earlier), settings.number + 1):
        study.sampler = _make_sampler(settings, number)
        drawn = study.ask(distributions).params
    return {
        key: drawn[key] if searched.values is None else searched.values[drawn[key]] for key, searched in space.items()
    }


def _make_sampler(settings: TrialSettings, number: int) -> optuna.samplers.BaseSampler:
    seed = int(np.random.SeedSequence([settings.seed, number]).generate_state(1)[0])
    if settings.sampler == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    return optuna.samplers.TPESampler(seed=seed, n_startup_trials=settings.startup, constant_liar=True)


def _distribution(searched: SearchedKey) -> BaseDistribution:
    """Return Optuna's distribution; listed values go by their place, for Optuna takes no lists or mappings."""
    if searched.values is not None:
        return CategoricalDistribution(list(range(len(searched.values))))
    low, high = searched.extremes()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a range that is no whole number of steps ends at the last step
        if searched.whole:
            return IntDistribution(int(low), int(high), log=searched.log, step=int(searched.step or 1))
        return FloatDistribution(low, high, log=searched.log, step=searched.step)


def _past_trial(result: Json, space: dict[str, SearchedKey], distributions: dict[str, BaseDistribution]) -> FrozenTrial:
    """Return an earlier trial; a failed one counts as worse than any other, or tpe would go there again."""
    params = {key: _drawn(searched, result["values"][key]) for key, searched in space.items()}
    state = TrialState.COMPLETE if result["score"] is not None else TrialState.PRUNED
    return optuna.trial.create_trial(state=state, value=result["score"], params=params, distributions=distributions)


def _drawn(searched: SearchedKey, value: Any) -> Any:
    if searched.values is None:
        return value
    # as JSON, for False is equal to 0
    return [json.dumps(item) for item in searched.values].index(json.dumps(value))
