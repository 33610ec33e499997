"""Where the runs of an experiment go: the address of an MLflow server, or a local store beside the report."""

import os
import re
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from scan2seg import storage
from scan2seg.errors import InputError
from scan2seg.secrets import hide_credentials

_USER, _PASSWORD = "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"


@contextmanager
def open_tracking(uri: str | None, marker: Path) -> Iterator[tuple[Any, str | None]]:
    """Yield an MLflow client and where artifacts go (None: where the server says).

    Args:
        uri: the address of a server; None for ``mlflow.db`` and ``mlartifacts`` beside the marker.
        marker: the JSON file that the import writes.

    Raises:
        InputError: the address cannot be read.
    """
    if uri is None:
        with _open_local(marker.parent) as opened:
            yield opened
        return
    from mlflow import MlflowClient

    with _credentials_apart(uri) as address:
        yield MlflowClient(address, registry_uri=address), None


@contextmanager
def _open_local(folder: Path) -> Iterator[tuple[Any, str | None]]:
    """Yield a client of a working copy of the database, which replaces the old one at the end, or not at all.

    It is built on the local disk, for SQLite on network file systems loses data. Artifacts of runs that the database
    does not know, of an import that failed or that were replaced, are removed at the end, whatever happened.
    """
    from mlflow import MlflowClient

    database, artifacts = folder / "mlflow.db", folder / "mlartifacts"
    try:
        with tempfile.TemporaryDirectory() as scratch:
            working = Path(scratch) / "mlflow.db"
            if database.exists():
                shutil.copyfile(database, working)
                _relocate(working, artifacts.resolve().as_uri())
            address = f"sqlite:///{working}"
            yield MlflowClient(address, registry_uri=address), artifacts.resolve().as_uri()
            with (
                storage.replacing(database) as partial,
                closing(sqlite3.connect(working)) as source,
                closing(sqlite3.connect(partial)) as copy,
            ):
                source.backup(copy)
    finally:
        _remove_unknown(database, artifacts)


def _relocate(database: Path, artifacts: str) -> None:
    """Let the database name the artifacts beside it: copied or moved results must not write to the old place."""
    with closing(sqlite3.connect(database)) as connection, connection:
        found = connection.execute("select artifact_location from experiments where name != 'Default'").fetchall()
        for (old,) in found:
            move = "update runs set artifact_uri = ? || substr(artifact_uri, ?) where artifact_uri like ? || '/%'"
            connection.execute(move, (artifacts, len(old) + 1, old))
        connection.execute("update experiments set artifact_location = ? where name != 'Default'", (artifacts,))


def _remove_unknown(database: Path, artifacts: Path) -> None:
    """Remove the folders of runs that are not in the database; nothing else, and nothing outside the local store."""
    known: set[str] = set()
    if database.exists():
        with closing(sqlite3.connect(database)) as connection:
            active = connection.execute("select run_uuid from runs where lifecycle_stage = 'active'")
            known = {name for (name,) in active}
    for folder in artifacts.glob("*") if artifacts.is_dir() and not artifacts.is_symlink() else ():
        if re.fullmatch(r"[0-9a-f]{32}", folder.name) and folder.name not in known and not folder.is_symlink():
            shutil.rmtree(folder, ignore_errors=True)
    if artifacts.is_dir() and not any(artifacts.iterdir()):
        artifacts.rmdir()


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
