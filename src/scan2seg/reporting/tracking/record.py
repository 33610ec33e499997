"""What one run in MLflow holds, as plain data: made without MLflow, compared by its hash, written by ``client``."""

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from scan2seg import __version__, provenance
from scan2seg.documents import Json

LONGEST_PARAMETER = 6000
"""MLflow's limit."""


@dataclass(frozen=True)
class Point:
    """One value of a metric at a step, with its time in milliseconds since 1970."""

    name: str
    value: float
    time: int
    step: int = 0


@dataclass(frozen=True)
class DatasetUse:
    """The data of a run: name, NAME-KEY of the stack, a hash of stack and split, and where they lie in the results."""

    KIND: ClassVar = "local"
    name: str
    key: str
    digest: str
    source: str
    images: int

    def described_source(self) -> str:
        """Return where it lies as MLflow keeps it."""
        return json.dumps({"uri": self.source})

    def profile(self) -> str:
        """Return what MLflow shows of its content."""
        return json.dumps({"images": self.images, "key": self.key})

    def tags(self) -> dict[str, str]:
        """Return the tags of its use."""
        return {"mlflow.data.context": "training and test", "key": self.key}


@dataclass(frozen=True)
class ModelUse:
    """A trained model: its checkpoint, how it is applied, its classes, and an example (1, c, y, x) or (1, c, z, y, x).

    The names say what it is: those of dataset, model and replicate.
    """

    KIND: ClassVar = "segmentation"
    names: tuple[str, str, str]
    checkpoint: Path
    inference: Json
    classes: list[str]
    example: Any

    def name(self) -> str:
        """Return a name with only the characters that MLflow allows in a model's."""
        return re.sub(r"[/:.]", "-", clean_name("-".join(self.names)))

    def tags(self) -> dict[str, str]:
        """Return the tags of the model."""
        return dict(zip(("dataset", "model", "replicate"), self.names, strict=True)) | {"scan2seg": __version__}


@dataclass(frozen=True)
class Record:
    """One run in MLflow; times are milliseconds since 1970, files are paths in the run to a file or its content."""

    key: str
    name: str
    started: int
    ended: int
    parameters: dict[str, str] = field(default_factory=dict)
    points: list[Point] = field(default_factory=list)
    files: dict[str, Path | bytes] = field(default_factory=dict)
    tables: dict[str, "Table"] = field(default_factory=dict)
    pictures: dict[str, Callable[[], bytes]] = field(default_factory=dict)
    """Drawn of the tables, and only where the run is written."""
    dataset: DatasetUse | None = None
    model: ModelUse | None = None
    description: str = ""

    def attached(self) -> dict[str, Path | bytes]:
        """Return the files and the tables."""
        return self.files | {f"{name}.json": table.encode() for name, table in self.tables.items()}

    def draw(self) -> dict[str, bytes]:
        """Return the pictures."""
        return {name: draw() for name, draw in self.pictures.items()}

    def fingerprint(self) -> str:
        """Return a hash of everything that is written, so that what did not change is left alone."""
        files = {name: _digest(content) for name, content in self.attached().items()}
        # a checkpoint comes with its training.json, which is among the files
        model = (str(self.model.checkpoint.name), self.model.inference) if self.model else None
        points = [(point.name, point.value, point.step, point.time) for point in self.points]
        parts = [self.started, self.ended, self.parameters, points, files, self.dataset, model, self.description]
        return provenance.fingerprint(parts)


@dataclass(frozen=True)
class Table:
    """A table as ``mlflow.log_table`` writes it; unknown values are None."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]

    def encode(self) -> bytes:
        """Return the JSON that MLflow's pages show as a table (pandas' "split" orientation)."""
        content = {"columns": list(self.columns), "data": [list(row) for row in self.rows]}
        return json.dumps(content, allow_nan=False).encode()


def flatten(values: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield settings as dotted keys and text."""
    for key, value in values.items() if isinstance(values, Mapping) else ():
        if isinstance(value, Mapping) and value:
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield clean_name(f"{prefix}{key}"), str(value)[:LONGEST_PARAMETER]


def clean_name(text: str) -> str:
    """Return a name with only the characters that MLflow allows."""
    return re.sub(r"[^\w./ :-]", "_", text)[:250]


def _digest(content: Path | bytes) -> str:
    data = content.read_bytes() if isinstance(content, Path) else content
    return hashlib.sha256(data).hexdigest()
