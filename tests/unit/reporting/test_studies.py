"""Studies on the page: best trial first and marked, failures with their reason, everything escaped."""

import csv
from pathlib import Path

import pytest

from scan2seg.config.searched_key import SearchedKey
from scan2seg.reporting.html import render_report
from scan2seg.reporting.studies import draw_study, read_trials
from scan2seg.tuning.comparison import COLUMNS

NASTY = "<b>$x$</b>"
SPACE = {
    "optimizer.learning_rate": SearchedKey(low=1e-4, high=1e-1, log=True),
    "loss": SearchedKey(values=["dice", NASTY]),
}
ROWS = [(0, 0.5, "0.001", "dice"), (1, 0.75, "0.01", NASTY), (2, None, "0.09", "dice"), (3, 0.6, "0.004", "dice")]


@pytest.fixture
def entry(tmp_path: Path) -> dict:
    with (tmp_path / "study.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*COLUMNS, *SPACE])
        for number, score, rate, loss in ROWS:
            state, reason = ("failed", f"diverged {NASTY}") if score is None else ("finished", "")
            writer.writerow(["cells", "rates", number, f"trial{number}", state, score, 1, 2, 3.5, reason, rate, loss])
    searched = {"model": "small", "sampler": "tpe", "trials": 4, "space": SPACE, "monitor": "validation_mean_iou"}
    return {"name": "rates", "dataset": "cells", "table": tmp_path / "study.csv", **searched}


def test_the_page_shows_the_trials_best_first(entry: dict, tmp_path: Path) -> None:
    content = {"experiment": "try", "title": "try", "datasets": [], "runs": [], "scans": [], "studies": [entry]}
    render_report(content, tmp_path / "index.html", tmp_path / "figures")
    text = (tmp_path / "index.html").read_text()
    table = text[text.index('<table id="study-cells-rates"') :]
    table = table[: table.index("</table>")]
    places = [table.index(part) for part in ('class="best"', "0.7500", "0.6000", "0.5000", "failed: diverged")]
    assert places == sorted(places) and table.count('class="best"') == 1
    assert NASTY not in text and "&lt;b&gt;" in table
    assert "scores on validation images" in text and (tmp_path / "figures" / "study_cells_rates.png").is_file()


def test_the_plot_has_the_best_so_far_and_a_panel_a_key(entry: dict) -> None:
    trials = read_trials(entry, list(SPACE))
    first, rate, loss = draw_study(trials, SPACE, "validation mean IoU", True).axes
    assert list(first.get_lines()[0].get_ydata()) == [0.5, 0.75, 0.75]
    assert rate.get_xscale() == "log" and loss.get_xscale() == "linear"
    assert rate.collections[0].get_offsets().tolist() == [[0.001, 0.5], [0.01, 0.75], [0.004, 0.6]]
    assert rate.collections[1].get_offsets().tolist() == [[0.01, 0.75]]
    lowest = draw_study(trials, SPACE, "validation loss", False).axes[0]
    assert list(lowest.get_lines()[0].get_ydata()) == [0.5, 0.5, 0.5]
