"""What every part of the configuration shares: strict frozen models, and fields that name a plugin."""

import ast
import os
import re
from dataclasses import dataclass, replace
from inspect import cleandoc, getsource
from itertools import pairwise
from pathlib import Path
from textwrap import dedent
from types import ModuleType
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    StringConstraints,
    ValidationError,
    ValidationInfo,
)
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from scan2seg import plugins
from scan2seg.errors import InputError


class Settings(BaseModel):
    """Base of every model: unknown keys are errors, values never change, docstrings become the reference."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Describe each field by the text below it, read from the source only here: pydantic would at every start."""
        made = handler(schema)
        properties = handler.resolve_ref_schema(made).get("properties", {})
        for owner in reversed(cls.__mro__):
            for name, text in _texts_below_fields(owner).items():
                if name in cls.model_fields and name in properties:
                    properties[name]["description"] = text
        return made


def _texts_below_fields(owner: type) -> dict[str, str]:
    """Return field to the text that stands below it in the class's source; nothing of classes that are no settings."""
    if not issubclass(owner, Settings) or owner is Settings:
        return {}
    (body,) = (node.body for node in ast.parse(dedent(getsource(owner))).body if isinstance(node, ast.ClassDef))
    return {
        field.target.id: cleandoc(below.value.value)
        for field, below in pairwise(body)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        and isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant) and isinstance(below.value.value, str)
    }  # fmt: skip


@dataclass(frozen=True)
class Chosen:
    """A plugin that settings choose, with its parameters, which are checked and complete."""

    kind: str
    method: str
    """Its name."""
    parameters: BaseModel
    """Its ``Params``."""

    @property
    def module(self) -> ModuleType:
        """The plugin, imported."""
        return plugins.load(self.kind, self.method)

    @property
    def module_name(self) -> str:
        """Its dotted name."""
        return plugins.module_name(self.kind, self.method)

    def get(self, name: str, default: Any = None) -> Any:
        """Return a parameter; the default where the plugin has none of that name."""
        return getattr(self.parameters, name, default)

    def change(self, **values: Any) -> "Chosen":
        """Return it with other values, which are not checked, of some parameters."""
        return replace(self, parameters=self.parameters.model_copy(update=values))

    def without(self, *names: str) -> "Chosen":
        """Return it with the defaults of those parameters that it has of these names."""
        fields = type(self.parameters).model_fields
        return self.change(**{name: fields[name].get_default() for name in names if name in fields})

    def content(self) -> dict[str, Any]:
        """Return it as plain JSON, the form that keys, jobs and checkpoints have it in."""
        return {"method": self.method, **self.parameters.model_dump(mode="json")}


@dataclass(frozen=True)
class Plugin:
    """Marks a field that chooses a plugin and holds its settings: ``Annotated[Chosen, Plugin("losses")]``.

    ``otsu`` is short for ``{method: otsu}``. The value is complete: every parameter of the plugin's ``Params`` has its
    default filled in, so that a changed default is a changed parameter of the job.
    """

    kind: str

    def resolve(self, value: Any, context: Any = None) -> Chosen:
        """Check the value against the plugin's ``Params``, which see the context, and fill in the defaults."""
        if isinstance(value, Chosen):
            return value
        if isinstance(value, str):
            value = {"method": value}
        if not isinstance(value, dict) or not isinstance(value.get("method"), str):
            choices = ", ".join(plugins.names(self.kind))
            raise PydanticCustomError("plugin", f"write method: NAME with one of {choices}")
        method, rest = value["method"], {key: item for key, item in value.items() if key != "method"}
        try:
            model = plugins.load(self.kind, method).Params
        except InputError as error:
            raise PydanticCustomError("plugin_name", "{reason}", {"reason": str(error)}) from None
        try:
            return Chosen(self.kind, method, model.model_validate(rest, context=context))
        except ValidationError as error:
            details = {"errors": error.errors(include_url=False, include_context=True), "model": model}
            raise PydanticCustomError("plugin_params", "invalid settings", details) from None

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Validate through ``resolve``, and write as plain JSON."""
        return core_schema.with_info_plain_validator_function(
            lambda value, info: self.resolve(value, info.context),
            serialization=core_schema.plain_serializer_function_ser_schema(Chosen.content),
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Describe the choice of every plugin with its own settings."""
        choices: list[dict[str, Any]] = [{"enum": list(plugins.names(self.kind))}]
        for name in plugins.names(self.kind):
            module = plugins.load(self.kind, name)
            part = module.Params.model_json_schema()
            part["properties"] = {"method": {"const": name}, **part.get("properties", {})}
            part["required"] = ["method", *part.get("required", [])]
            part["title"] = f"{self.kind}: {name}"
            part.setdefault("description", (module.__doc__ or "").strip().split("\n")[0])
            choices.append(part)
        return {"oneOf": choices}


Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=100)]
"""A name that becomes a folder: lower-case letters, digits, ``_`` and ``-``."""


SlurmName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.,-]*$", max_length=100)]
"""A name that stands in a command line of the login node, such as an account or partitions: nothing that a shell reads
otherwise; letters, digits, ``_``, ``-``, ``.`` and ``,``."""

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")


def expand(text: str) -> str:
    """Replace ``${NAME}`` and ``${NAME:-default}`` by the environment's values.

    Only paths and addresses are expanded: what stands in a description reaches reports that others read.

    Raises:
        ValueError: a variable is not set and has no default.
    """

    def look_up(match: re.Match[str]) -> str:
        found = os.environ.get(match[1], match[2])
        if found is None:
            raise ValueError(f"set the environment variable {match[1]}")
        return found

    return _VARIABLE.sub(look_up, text)


Address = Annotated[str, AfterValidator(expand)]
"""The address of a server; ``${NAME}`` in it is an environment variable."""


def check_path(path: str) -> str:
    """Refuse what no file system can hold, before anything looks for it."""
    if len(path) > 4000 or any(len(os.fsencode(part)) > 255 for part in path.split("/")):
        raise ValueError("is too long for a path: a file's name has at most 255 characters")
    return path


def resolve_path(pattern: str, info: ValidationInfo) -> str:
    """Return a path or pattern as seen from the working folder, with environment variables filled in."""
    pattern = check_path(expand(pattern))
    folder = (info.context or {}).get("folder")
    if folder is None or Path(pattern).is_absolute():
        return pattern
    return os.path.normpath(os.path.relpath(Path(folder) / pattern))


FilePath = Annotated[str, AfterValidator(resolve_path)]
"""A path or glob pattern; relative ones count from the folder of the YAML file that names them.
``${NAME}`` in it is an environment variable."""


def is_unset(value: Any) -> bool:
    """Tell whether a value is none or empty: a field leaves it out of the settings with ``exclude_if=is_unset``, and so
    the keys of what was made before there was such a field stay as they were."""
    return value is None or value == [] or value == {}


def is_path(value: str) -> bool:
    """Tell whether a value that may be a name or a path is a path: it has a slash or a suffix."""
    return "/" in value or bool(Path(value).suffix)


def _resolve_path(value: str, info: ValidationInfo) -> str:
    value = check_path(expand(value))
    return resolve_path(str(Path(value).expanduser()), info) if is_path(value) else value


NameOrPath = Annotated[str, AfterValidator(_resolve_path)]
"""A name, which stays as it is, or the path of a file; a relative one counts from the YAML file's folder."""
