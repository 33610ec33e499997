"""Configurations damaged at random: each ends at once, valid or with a message that names the file; never otherwise.

Seeded, so that a failing case can be run again: the number of the case is its seed.
"""

import copy
import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from helpers import DATASET, MODEL, make_images

from scan2seg.config.check import check_file
from scan2seg.errors import InputError

CONFIG = Path(__file__).parents[3] / "config"
CASES, SECONDS = 600, 2.0
BOMB = "b0: &b0 [x, x, x]\n" + "".join(f"b{n}: &b{n} [*b{n - 1}, *b{n - 1}, *b{n - 1}]\n" for n in range(1, 30))
MERGES = "m0: &m0 {a: 1}\n" + "".join(f"m{n}: &m{n} {{<<: [{f'*m{n - 1}, ' * 9}]}}\n" for n in range(1, 12))
TEXTS = {
    "aliases": BOMB,
    "merges": MERGES,
    "one merge": f"a: &a {{b: 1}}\nc: {{<<: [{'*a, ' * 5000}]}}\n",
    "itself": "a: &a {b: *a}\n",
    "depth": "a: " + "[" * 20000 + "\n",
    "blocks": "".join(" " * level + "a:\n" for level in range(300)),
    "number": "a: " + "9" * 5000 + "\n",
    "hexadecimal": "a: 0x" + "f" * 5000 + "\n",
    "date": "a: 2001-99-99\n",
    "binary": "a: !!binary 'x'\n",
    "object": "a: !!python/object/apply:os.system ['touch P']\n",
    "tab": "\ta: 1\n",
    "documents": "---\na: 1\n---\nb: 2\n",
    "keys": "? [1, 2]\n: 3\nnull: 4\n1.5: 6\n",
    "text": "a: " + "word " * 40000 + "\n",
    "length": "x" * 300_000,
    "list": "- a\n- b\n",
    "scalar": "42\n",
    "nothing": "",
    "surrogate": 'name: "\\ud800"\n',
    "zero": 'name: "a\\0b"\n',
    "seeds": "datasets: [a]\nreplicates: {seeds: [" + ", ".join(map(str, range(200_000))) + "]}\n",
    "many seeds": "datasets: [a]\nreplicates: {seeds: [" + ", ".join(map(str, range(15_000))) + "]}\n",
}
ODD: list[Any] = [
    None, True, False, -1, 0, 1, 2, 255, 10**6, 10**9, 2**32, 10**30, -(10**30), 0.5, -0.1, 1e300, float("nan"), float("inf"),
    "", " ", "a" * 300, "a" * 5000, "\0", "\u6f22\u5b57 \U0001f642", "\n", "../..", ".", "/", "/dev/zero", "/dev/random", "*", "**", "[", "{", "~",
    "${HOME}", "${SURELY_NOT_SET}", "$(touch P)", "null", "1e400", "nan", "9" * 4400, "FIFO", "FIFO*", "./FIFO.yaml", "PNG", "DIRECTORY",
    [], [[]], [None], [[[[[1]]]]], list(range(3)), list(range(3000)), ["a"] * 50, {}, {"a": {"b": {"c": 1}}}, {"method": None},
    {"method": "otsu"}, {1: 2}, {None: None}, {"base": "unet"}, {"base": None}, {"base": 5}, {"kind": "scan"},
]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder with everything that the real configurations name, small images, a pipe, and room for a case."""
    folder = tmp_path_factory.mktemp("fuzz")
    for kind in ("datasets", "models", "experiments"):
        (folder / kind).mkdir()
        for path in sorted((CONFIG / kind).glob("*.yaml")):
            (folder / kind / path.name).write_text(path.read_text())
    make_images(folder)
    (folder / "datasets" / "cells.yaml").write_text(DATASET.format(folder=folder))
    (folder / "models" / "small.yaml").write_text(MODEL.format(architecture="{method: otsu}"))
    (folder / "experiments" / "try.yaml").write_text("datasets: [cells]\nmodels: [small]\n")
    for name in ("FIFO", "FIFO.yaml"):
        for place in (folder, *(folder / kind for kind in ("datasets", "models", "experiments"))):
            os.mkfifo(place / name)
    return folder


@pytest.fixture(autouse=True)
def alarm() -> Iterator[None]:
    """End what hangs."""

    def ring(number: int, frame: Any) -> None:
        raise AssertionError("it hangs")

    before = signal.signal(signal.SIGALRM, ring)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def check(path: Path, case: object) -> str:
    """Check one file; return the message, if there is one."""
    started = time.process_time()
    signal.alarm(30)
    try:
        check_file(path)
        message = ""
    except InputError as error:
        message = str(error)
        assert ".yaml" in message, f"case {case}: no file named: {message[:300]}"
        assert len(message) < 50_000, f"case {case}: {message[:300]}"
        message.encode("utf-8")
    except AssertionError:
        raise
    except BaseException as error:
        raise AssertionError(f"case {case}: {type(error).__name__}: {str(error)[:300]}") from error
    finally:
        signal.alarm(0)
    taken = time.process_time() - started
    assert taken < SECONDS, f"case {case}: took {taken:.1f} s: {message[:300]}"
    return message


def places(content: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every container of the content with each of its keys."""
    for key, value in list(content.items() if isinstance(content, dict) else enumerate(content)):
        yield content, key
        if isinstance(value, (dict, list)):
            yield from places(value)


def damage(content: dict[str, Any], draw: random.Random) -> dict[str, Any]:
    """Return the content with a few values replaced, keys dropped, renamed or moved."""
    damaged = copy.deepcopy(content)
    for _ in range(draw.choice([1, 1, 1, 2, 5])):
        found = list(places(damaged))
        if not found:
            break
        parent, key = draw.choice(found)
        way = draw.choice(["replace"] * 5 + ["drop", "rename", "wrap", "move", "text"])
        if way == "replace":
            parent[key] = copy.deepcopy(draw.choice(ODD))
        elif way == "drop" or (way == "rename" and isinstance(parent, list)):
            del parent[key]
        elif way == "rename":
            parent[draw.choice([f"{key}x", key.upper() if isinstance(key, str) else 7, None, 5])] = parent.pop(key)
        elif way == "wrap":
            parent[key] = draw.choice([[parent[key]], {"a": parent[key]}, [[parent[key]]] * 3])
        elif way == "move":
            other, place = draw.choice(found)
            other[place] = copy.deepcopy(parent[key])
        else:
            parent[key] = str(parent[key])
    return damaged


def garble(text: str, draw: random.Random) -> str:
    """Return the text with a line or a sign doubled, lost or changed."""
    lines = text.splitlines(keepends=True)
    at = draw.randrange(len(lines))
    lines[at] = draw.choice(
        [lines[at] * 2, "", lines[at].lstrip(), "  " + lines[at], lines[at] + BOMB, lines[at][::-1]]
    )
    text = "".join(lines)
    for _ in range(draw.randrange(3)):
        at = draw.randrange(len(text) + 1)
        text = (
            text[:at]
            + draw.choice(["&a ", "*a", "[", "}", ": ", "\n", "#", "!!", "\x07", "\u202e", "'", "|"])
            + text[at:]
        )
    return text


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("kind", ["experiments", "datasets", "models"])
def test_a_text_that_is_no_configuration_is_told_at_once(folder: Path, kind: str, name: str) -> None:
    path = folder / kind / "case.yaml"
    path.write_text({"datasets": "source: {}\n", "models": "architecture: unet\n"}.get(kind, "") + TEXTS[name])
    message = check(path, name)
    # a model file may stop after its architecture
    assert message or (kind, name) == ("models", "nothing")


@pytest.mark.parametrize("part", range(6))
def test_damaged_configurations_end_at_once_in_a_message(
    folder: Path, part: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    kinds = ["datasets", "models", "experiments"]
    originals = {
        kind: [path for path in sorted((folder / kind).glob("*.yaml")) if path.is_file() and path.stem != "case"]
        for kind in kinds
    }
    small = {"datasets": "cells.yaml", "models": "small.yaml", "experiments": "try.yaml"}
    told = 0
    for case in range(part * CASES // 6, (part + 1) * CASES // 6):
        draw = random.Random(case)
        kind = draw.choice(kinds)
        source = folder / kind / small[kind] if draw.random() < 0.5 else draw.choice(originals[kind])
        path = folder / kind / "case.yaml"
        text = source.read_text()
        if draw.random() < 0.75:
            text = yaml.safe_dump(damage(yaml.safe_load(text), draw), allow_unicode=draw.random() < 0.5)
        else:
            text = garble(text, draw)
        path.write_text(text, "utf-8", "surrogatepass")
        told += bool(check(path, f"{case} ({source.name})"))
    path.unlink()
    assert told > CASES / 6 / 3
