"""The dataset and model files that an experiment names: found, read, changed and checked."""

from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from scan2seg.config.base import check_path, expand, is_path
from scan2seg.config.dataset import Dataset
from scan2seg.config.model import Model
from scan2seg.config.problems import ConfigurationError, Problem, from_validation
from scan2seg.config.yaml_files import merge, read_yaml

Component = TypeVar("Component", Dataset, Model)


def load_component(
    kind: str, model: type[Component], entry: str | dict[str, Any], folder: Path, named_in: Path | None = None
) -> tuple[Component, Path]:
    """Load one dataset or model by stem, path or mapping with a ``base``; return it and its file.

    Args:
        kind: ``datasets`` or ``models``.
        model: what it is.
        entry: the stem, path or mapping.
        folder: relative paths count from it.
        named_in: the file that holds the entry, for messages.

    Raises:
        ConfigurationError: with every problem of the file.
    """
    where = str(named_in or folder)
    changes = dict(entry) if isinstance(entry, dict) else {}
    base = changes.pop("base", None) if changes else entry
    if changes and base is None:
        raise ConfigurationError([Problem(where, kind, "a mapping here needs base: with a name or path")])
    file = find_file(kind, str(base), folder, where)
    content = merge({"name": file.stem, **read_yaml(file)}, changes)
    try:
        return model.model_validate(content, context={"folder": str(file.parent)}), file
    except ValidationError as error:
        raise ConfigurationError(from_validation(error, model, file)) from None


def find_file(kind: str, name: str, folder: Path, where: str) -> Path:
    """Find ``config/KIND/NAME.yaml`` near the folder or below the working folder, or take the name as a path.

    Raises:
        ConfigurationError: there is no such file, or no file can have this name.
    """
    try:
        name = check_path(expand(name))
    except ValueError as error:
        raise ConfigurationError([Problem(where, kind, str(error), name)]) from None
    if name.endswith((".yaml", ".yml")) or "/" in name:
        return folder / name
    places = [folder.parent / kind, folder / kind, Path("config") / kind]
    candidates = [place / f"{name}.yaml" for place in places]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    choices = sorted({file.stem for place in places for file in place.glob("*.yaml")})
    hint = f"; there are {', '.join(choices)}" if choices else ""
    raise ConfigurationError([Problem(str(candidates[0]), "", f"there is no such file in {kind}{hint}", name)])


def load_components(
    kind: str,
    model: type[Component],
    entries: list[str | dict[str, Any]],
    path: Path,
    files: dict[str, str],
    problems: list[Problem],
    key: str | None = None,
) -> dict[str, Component]:
    """Load the datasets or models that an experiment names; note their files, and what is wrong with them."""
    components: dict[str, Component] = {}
    places: dict[str, str] = {}
    for index, entry in enumerate(entries):
        try:
            component, file = load_component(kind, model, entry, path.parent, path)
        except ConfigurationError as error:
            problems.extend(error.problems)
            continue
        place = f"{key or kind}.{index}"
        if component.name in components:
            first = f"{places[component.name]} of {files[f'{kind}.{component.name}']}"
            message = f"of {file}: this name is there already, as {first}; set another name:"
            problems.append(Problem(str(path), place, message, component.name))
        components[component.name] = component
        places.setdefault(component.name, place)
        files[f"{kind}.{component.name}"] = str(file)
    return components


def load_pretraining(
    models: dict[str, Model], datasets: dict[str, Dataset], path: Path, files: dict[str, str], problems: list[Problem]
) -> tuple[dict[str, Model], dict[str, Dataset]]:
    """Load the datasets that encoders are pre-trained on.

    Args:
        models: of the experiment.
        datasets: those that the experiment names itself.
        path: the experiment file.
        files: takes the file of each dataset.
        problems: takes what is wrong.

    Returns:
        The models, which now name each dataset by its name, and the datasets.
    """
    named, found = dict(models), dict[str, Dataset]()
    for name, model in models.items():
        entry = model.pretraining.dataset if model.pretraining else None
        if model.pretraining is None or entry is None:
            continue
        place = (files[f"models.{name}"], "pretraining.dataset")
        try:
            # stems are looked for near the experiment; paths are resolved already
            dataset, file = (
                (datasets[entry], None)
                if entry in datasets
                else load_component("datasets", Dataset, entry, Path() if is_path(entry) else path.parent, path)
            )
        except ConfigurationError as error:
            problems.extend(error.problems)
            continue
        known = {**datasets, **found}.get(dataset.name, dataset)
        if known != dataset:
            problems.append(Problem(*place, f"another dataset of the experiment is named {dataset.name}", entry))
        found[dataset.name] = dataset
        if file is not None:
            files.setdefault(f"datasets.{dataset.name}", str(file))
        settings = model.pretraining.model_copy(update={"dataset": dataset.name})
        named[name] = model.model_copy(update={"pretraining": settings})
    return named, found
