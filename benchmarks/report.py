"""The report of many models: its time, its size, and how long a browser takes to show and to search it.

Run with ``PYTHONPATH=tests/support python benchmarks/report.py [MODELS]``; the browser is left out where there is none.
"""

import argparse
import tempfile
import time
from pathlib import Path

import example_report
from chromium import CHROMIUM, DRIVER, open_browser

from scan2seg.reporting.html import render_report

SEARCH = """
const table = document.querySelector("#ranking-demo");
const input = table.closest(".box").querySelector("input[type=search]");
const start = performance.now();
input.value = "model_19";
input.dispatchEvent(new Event("input", {bubbles: true}));
document.body.offsetHeight;
const shown = [...table.tBodies[0].rows].filter((row) => row.checkVisibility()).length;
return [performance.now() - start, shown];
"""


def measure(folder: Path, models: int, replicates: int) -> list[str]:
    """Return models, seconds and processor seconds of the report, megabytes, and the browser's times in ms."""
    content = example_report.write_many(folder, models, replicates)
    start, spent = time.perf_counter(), time.process_time()
    render_report(content, folder / "index.html", folder / "figures")
    times = [time.perf_counter() - start, time.process_time() - spent]
    size = (folder / "index.html").stat().st_size / 1e6
    cells = [f"{models} x {replicates}", *(f"{value:.1f}" for value in times), f"{size:.1f}"]
    if not (CHROMIUM and DRIVER):
        return [*cells, "-", "-"]
    browser = open_browser(folder / "profile")
    try:
        browser.get((folder / "index.html").as_uri())
        loaded = browser.execute_script("return performance.timing.loadEventEnd - performance.timing.navigationStart")
        searched, shown = browser.execute_script(SEARCH)
        assert shown == sum("model_19" in f"model_{index:03d}" for index in range(models))
    finally:
        browser.quit()
    return [*cells, f"{loaded:.0f}", f"{searched:.0f}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", type=int, nargs="?", default=200)
    given = parser.parse_args()
    print("| models x replicates | s | processor s | MB | shown after, ms | search, ms |\n|---|---|---|---|---|---|")
    for models in sorted({20, given.models}):
        with tempfile.TemporaryDirectory() as scratch:
            print(f"| {' | '.join(measure(Path(scratch), models, 5))} |", flush=True)


if __name__ == "__main__":
    main()
