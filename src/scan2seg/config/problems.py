"""What is wrong with a configuration: file, key, value and what to do, all of it at once."""

import difflib
import re
import types
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from scan2seg.errors import InputError
from scan2seg.secrets import hide_credentials

MANY = 100
"""More mistakes in one file than this are not listed."""


@dataclass(frozen=True)
class Problem:
    """One mistake."""

    file: str
    key: str
    message: str
    value: Any = field(default=None, hash=False)  # may be a list
    subject: str = ""
    """What it is about among many, such as an image; problems that differ in it alone are told as one with a count."""

    def likeness(self) -> str:
        """Return what problems of one kind have in common: all but the subject, file names and numbers."""
        if not self.subject:
            return str(self)
        words = [word for word in self.message.split() if "/" not in word and Path(self.subject).stem not in word]
        return re.sub(r"\d+", "#", f"{self.file} {self.key} {' '.join(words)}")

    def __str__(self) -> str:
        """Return the line that a person reads."""
        shown = "" if self.value is None else f" = {_shorten(self.value)}"
        where = f": {self.key}{shown}" if self.key else ""
        about = f": {self.subject}" if self.subject else ""
        return f"{self.file}{where}{about}: {self.message}"


class ConfigurationError(InputError):
    """A configuration with mistakes: ``problems`` has them all."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        """Word the message: a line a problem."""
        self.problems = list({str(problem): problem for problem in problems}.values())
        count = len(self.problems)
        title = f"{count} problem{'s' if count > 1 else ''} in the configuration:"
        alike: dict[str, list[Problem]] = {}
        for problem in self.problems:
            alike.setdefault(problem.likeness(), []).append(problem)
        lines = [
            f"  {first}" + (f" (and {len(others)} more like this, as {others[-1].subject})" if others else "")
            for first, *others in alike.values()
        ]
        super().__init__("\n".join([title, *lines]))


def from_validation(error: ValidationError, model: type[BaseModel], file: Path | str) -> list[Problem]:
    """Turn pydantic's errors into problems, with the nearest known key for each unknown one."""
    problems: list[Problem] = []
    for detail in error.errors(include_url=False):
        problems.extend(_from_detail(dict(detail), model, str(file), ()))
        if len(problems) > MANY:
            problems[MANY:] = [Problem(str(file), "", f"has more than {MANY} mistakes; the others are not listed")]
            break
    return problems


def _from_detail(detail: dict[str, Any], model: Any, file: str, prefix: tuple[Any, ...]) -> list[Problem]:
    place = (*prefix, *detail["loc"])
    nested = detail.get("ctx", {}).get("errors") if detail["type"] == "plugin_params" else None
    if nested:
        plugin = detail["ctx"]["model"]
        return [problem for item in nested for problem in _from_detail(dict(item), plugin, file, place)]
    message = detail["msg"].removeprefix("Value error, ")
    value = detail.get("input")
    if detail["type"] == "extra_forbidden":
        known = sorted(_known_keys(model, detail["loc"][:-1]))
        near = difflib.get_close_matches(str(place[-1]), known, n=1)
        message = "unknown key; " + (f"did you mean '{near[0]}'?" if near else "remove it")
        if known and not near:
            message = f"unknown key; the keys here are {', '.join(known)}"
    elif detail["type"] == "missing":
        message, value = "this key is required", None
    if isinstance(value, (dict, BaseModel)):
        value = None
    return [Problem(file, ".".join(str(part) for part in place), message, value)]


def _known_keys(annotation: Any, location: tuple[Any, ...]) -> set[str]:
    """Find the keys of the model that stands at a location of the configuration."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _known_keys(get_args(annotation)[0], location)
    if origin in (Union, types.UnionType):
        parts = get_args(annotation)
        tagged = [part for part in parts if location and _has_tag(part, location[0])]
        if tagged:
            return _known_keys(tagged[0], location[1:])
        return set().union(*(_known_keys(part, location) for part in parts))
    if origin in (list, dict, tuple):
        return _known_keys(get_args(annotation)[-1], location[1:])
    if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
        return set()
    if not location:
        return set(annotation.model_fields)
    field = annotation.model_fields.get(str(location[0]))
    return _known_keys(field.annotation, location[1:]) if field else set()


def _has_tag(annotation: Any, tag: Any) -> bool:
    if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
        return False
    kind = annotation.model_fields.get("kind")
    return kind is not None and tag in get_args(kind.annotation)


def _shorten(value: Any) -> str:
    text = hide_credentials(repr(value))
    return text if len(text) <= 60 else text[:57] + "..."
