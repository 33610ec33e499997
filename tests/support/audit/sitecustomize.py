"""Put on PYTHONPATH by a test: each job of the workflow writes down which files it opened for reading and imported."""

import atexit
import json
import os
import sys

OPENED: set[str] = set()


def watch(event: str, arguments: tuple) -> None:
    if event != "open" or not isinstance(arguments[0], str):
        return
    mode, flags = arguments[1], arguments[2] or 0
    if (mode or "r")[0] == "r" and not flags & (os.O_WRONLY | os.O_CREAT):
        OPENED.add(os.path.realpath(arguments[0]))


def listed(path: str) -> list[str]:
    """Return the source files that an input stands for, if it is a listing of some."""
    if "scan2seg_code" not in path:
        return []
    with open(path, encoding="utf-8") as file:
        return [line.split(" ", 1)[1].rstrip() for line in file]


def write() -> None:
    job = getattr(sys.modules.get("__main__"), "snakemake", None)
    if job is None or not OPENED:
        return
    modules = {getattr(module, "__file__", None) for module in list(sys.modules.values())}
    content = {
        "rule": job.rule,
        "inputs": [os.path.realpath(path) for each in job.input for path in (each, *listed(each))],
        "outputs": [os.path.realpath(path) for path in [*job.output, *job.log]],
        # names relative to an open folder, of temporary files that are removed, are taken for files of this folder
        "opened": sorted(path for path in OPENED if os.path.exists(path)),
        "imported": sorted(os.path.realpath(path) for path in modules if path and "/scan2seg/" in path),
    }
    path = os.path.join(os.environ["SCAN2SEG_AUDIT"], f"{job.rule}-{os.getpid()}.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(content, file)


if os.environ.get("SCAN2SEG_AUDIT"):
    sys.addaudithook(watch)
    atexit.register(write)
