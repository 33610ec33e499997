"""Where the runs of an experiment go: the address of an MLflow server, or the local store of the results folder."""

import math
import os
import re
import shutil
import sqlite3
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from scan2seg.errors import InputError
from scan2seg.ownership import owning
from scan2seg.replacement import replacing
from scan2seg.secrets import hide_credentials

DATABASE, ARTIFACTS = "mlflow.db", "mlartifacts"
PLACES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "storage_location"),
    ("model_versions", "source"),
)
"""The columns of MLflow's database that say where artifacts lie."""
_USER, _PASSWORD = "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"


@dataclass(frozen=True)
class Store:
    """An MLflow client; of the local store also its database, and the address of its artifacts."""

    client: Any
    database: Path | None = None
    artifacts: str | None = None


@contextmanager
def open_tracking(uri: str | None, results: Path) -> Iterator[Store]:
    """Yield a store to write to.

    Args:
        uri: the address of a server; None for ``mlflow.db`` and ``mlartifacts`` of the results folder.
        results: the folder of all results.

    Raises:
        InputError: the address cannot be read.
    """
    if uri is None:
        with _open_local(results) as opened:
            yield opened
        return
    from mlflow import MlflowClient

    with _credentials_apart(uri) as address:
        yield Store(MlflowClient(address, registry_uri=address))


def relocate(results: Path) -> Path:
    """Let the database of a moved results folder name the artifacts beside it; return the database.

    Raises:
        InputError: there is none.
    """
    database = results / DATABASE
    if not database.is_file():
        raise InputError(f"{database}: there is no such file; run an experiment first")
    with _owning(database), tempfile.TemporaryDirectory() as scratch:
        working = Path(scratch) / DATABASE
        shutil.copyfile(database, working)
        if _relocate(working, _address(results)):
            _publish(working, database)
    return database


@contextmanager
def _open_local(results: Path) -> Iterator[Store]:
    """Yield a working copy of the database, which replaces the old one at the end, or not at all.

    It is built on the local disk, for SQLite on network file systems loses data; experiments that want it at once wait
    for each other. Artifacts of runs that the database does not know, of an import that failed or that were replaced,
    are removed at the end, whatever happened.
    """
    from mlflow import MlflowClient

    database = results / DATABASE
    with _owning(database):
        try:
            with tempfile.TemporaryDirectory() as scratch:
                working = Path(scratch) / DATABASE
                if database.exists():
                    shutil.copyfile(database, working)
                    _relocate(working, _address(results))
                address = f"sqlite:///{working}"
                with _without_waiting():
                    yield Store(MlflowClient(address, registry_uri=address), working, _address(results))
                _publish(working, database)
        finally:
            _remove_unknown(database, results / ARTIFACTS)


@contextmanager
def _without_waiting() -> Iterator[None]:
    """Let SQLite not wait for the disk at each of thousands of commits: a working copy need not outlive a crash."""
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    def relax(connection: Any, _: Any) -> None:
        if isinstance(connection, sqlite3.Connection):
            connection.execute("pragma synchronous = off")
            connection.execute("pragma journal_mode = memory")

    event.listen(Engine, "connect", relax)
    try:
        yield
    finally:
        event.remove(Engine, "connect", relax)


def _owning(database: Path) -> AbstractContextManager[bool]:
    # each import is its own: never taken as made by another one
    return owning([database], "log_to_mlflow", uuid.uuid4().hex, math.inf)


def _address(results: Path) -> str:
    return (results / ARTIFACTS).resolve().as_uri()


def _publish(working: Path, database: Path) -> None:
    with (
        replacing(database) as partial,
        closing(sqlite3.connect(working)) as source,
        closing(sqlite3.connect(partial)) as copy,
    ):
        source.backup(copy)


def _relocate(database: Path, artifacts: str) -> bool:
    """Let the database name artifacts at another place: copied or moved results must not write to the old one.

    Returns:
        whether anything was changed.
    """
    with closing(sqlite3.connect(database)) as connection, connection:
        rows = connection.execute("select distinct artifact_location from experiments where artifact_location like ?",
                                  (f"file://%/{ARTIFACTS}",))  # fmt: skip
        moved = [old for (old,) in rows if old != artifacts]
        for old in moved:
            for table, column in PLACES:
                inside = f"substr({column}, 1, ?) in (?, ? || '/')"
                change = f"update {table} set {column} = ? || substr({column}, ?) where {inside}"
                connection.execute(change, (artifacts, len(old) + 1, len(old) + 1, old, old))
    return bool(moved)


def _remove_unknown(database: Path, artifacts: Path) -> None:
    """Remove the folders of runs and models that are not in the database; nothing else, and nothing outside the local
    store."""
    known: set[str] = set()
    if database.exists():
        with closing(sqlite3.connect(database)) as connection:
            for column, table in (("run_uuid", "runs"), ("model_id", "logged_models")):
                active = connection.execute(f"select {column} from {table} where lifecycle_stage = 'active'")
                known.update(name for (name,) in active)
    models = artifacts / "models"
    for folder in [*_folders(artifacts), *_folders(models)]:
        if re.fullmatch(r"(m-)?[0-9a-f]{32}", folder.name) and folder.name not in known and not folder.is_symlink():
            shutil.rmtree(folder, ignore_errors=True)
    for folder in (models, artifacts):
        if folder.is_dir() and not folder.is_symlink() and not any(folder.iterdir()):
            folder.rmdir()


def _folders(place: Path) -> list[Path]:
    return list(place.iterdir()) if place.is_dir() and not place.is_symlink() else []


@contextmanager
def _credentials_apart(uri: str) -> Iterator[str]:
    """Yield the address of a web server without user and password, which MLflow takes from the environment.

    Addresses of databases stay whole: their drivers take the password from nowhere else.
    """
    try:
        parts = urlsplit(uri)
        user, password, _ = parts.username, parts.password, parts.port
    except ValueError:
        raise InputError(
            f"tracking.uri: '{hide_credentials(uri)}' is no address; write special characters of a password as %XX"
        ) from None
    if parts.scheme not in ("http", "https") or not user or not password:
        yield uri
        return
    before = {name: os.environ.get(name) for name in (_USER, _PASSWORD)}
    os.environ[_USER], os.environ[_PASSWORD] = unquote(user), unquote(password)
    try:
        yield parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
