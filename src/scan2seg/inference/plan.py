"""The plan of an inference, as ``plan_inference`` wrote it."""

from collections.abc import Sequence
from pathlib import Path

from scan2seg.config.training import InferenceSettings
from scan2seg.errors import InputError
from scan2seg.storage import read_json


def read_plan(plan: Path | None, inference: InferenceSettings) -> InferenceSettings:
    """Return the settings with what plan.json says of the keys that are planned; as they are where there is no plan.

    Raises:
        InputError: the file is missing or is no plan.
    """
    if plan is None:
        return inference
    content = read_json(plan)
    try:
        return inference.as_planned(content["inference"])
    except (TypeError, KeyError, ValueError):
        raise InputError(f"{plan}: is not a plan of inference; remove it and plan again") from None


def read_chosen_plan(
    inference: InferenceSettings, model: str, runs: Sequence[Sequence[str]], results: Path
) -> InferenceSettings:
    """Return how a run that was chosen of several is applied: as its plan says, where its settings ask for one.

    Args:
        inference: the settings.
        model: the run, MODEL/REPLICATE.
        runs: dataset, model, replicate and the folders of training and scores of each, as for ``choose_model``.
        results: the folder that those count from.

    Raises:
        InputError: the plan is missing or is none.
    """
    if inference.plan is None:
        return inference
    (applied,) = (folder for _, name, replicate, _, folder in runs if f"{name}/{replicate}" == model)
    return read_plan(results / applied / "plan.json", inference)
