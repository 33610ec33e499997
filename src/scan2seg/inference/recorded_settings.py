"""Settings that a file of an earlier call says, which another version may have written, or somebody edited."""

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from scan2seg.config.problems import from_validation
from scan2seg.documents import Json
from scan2seg.errors import InputError

Settings = TypeVar("Settings", bound=BaseModel)


def recall(kind: type[Settings], content: Json, path: Path, what: str) -> Settings:
    """Return settings from a file.

    Args:
        kind: of the settings.
        content: as the file has it.
        path: the file.
        what: the settings are, for the message.

    Raises:
        InputError: this version has no such settings.
    """
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        first, *_ = from_validation(error, kind, path)
        reason = f"{what} is not as this version has it ({f'{first.key}: ' if first.key else ''}{first.message})"
        advice = "use the version of scan2seg that wrote it, or train the model anew"
        raise InputError(f"{path}: {reason}; {advice}") from None
