"""Studies: the trials as a table, and their scores over each searched key and over time."""

import csv
import itertools
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from scan2seg.config.searched_key import SearchedKey
from scan2seg.reporting import tables
from scan2seg.reporting.charts import ACCENT, PLAIN, FigureFolder, new_figure, plain, styled
from scan2seg.reporting.content import StudyInput
from scan2seg.reporting.tables import Cell, Table

SAMPLERS = {"tpe": "tree-structured Parzen estimator", "random": "random", "grid": "grid"}


@dataclass(frozen=True)
class Trial:
    """One row of study.csv; the score of a failed trial is None."""

    number: int
    score: float | None
    values: dict[str, str]
    row: dict[str, str]


@dataclass(frozen=True)
class StudySummary:
    """All the page shows of one study on one dataset."""

    name: str
    dataset: str
    facts: list[tuple[str, str]]
    trials: Table
    chart: Markup


def summarise_study(entry: StudyInput, folder: FigureFolder) -> StudySummary | None:
    """Describe a study; None where its table does not exist, as on a dataset without labels."""
    if not entry["table"].exists():
        return None
    monitor = entry["monitor"]
    label = f"{monitor.replace('_', ' ').replace('iou', 'IoU')}"
    maximise = monitor == "validation_mean_iou"
    trials = read_trials(entry, list(entry["space"]))
    ranked = sorted(trials, key=lambda trial: _rank(trial, maximise))
    facts = [("model", entry["model"]), ("sampler", SAMPLERS[entry["sampler"]])]
    facts += [("trials", str(len(trials))), ("failed", str(sum(trial.score is None for trial in trials)))]
    facts += [(f"best {label}", tables.number(ranked[0].score, 4).text)]
    figure = draw_study(trials, entry["space"], label, maximise)
    described = f"Score of every trial of the study {entry['name']} on the validation images of {entry['dataset']}"
    chart = folder.chart(f"study_{entry['dataset']}_{entry['name']}", figure, described)
    return StudySummary(entry["name"], entry["dataset"], facts, _trial_table(ranked, label), chart)


def read_trials(entry: StudyInput, keys: Sequence[str]) -> list[Trial]:
    """Read study.csv."""
    with entry["table"].open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [Trial(int(row["number"]), _number(row["score"]), {key: row[key] for key in keys}, row) for row in rows]


@styled
def draw_study(trials: Sequence[Trial], space: Mapping[str, SearchedKey], label: str, maximise: bool) -> Figure:
    """Draw the scores over the trials with the best so far, and over the values of each searched key."""
    finished = [trial for trial in trials if trial.score is not None]
    count = 1 + len(space)
    columns = min(3, count)
    lines = math.ceil(count / columns)
    figure, axes = new_figure(4.1 * columns, 2.9 * lines, lines, columns)
    best = min(finished, key=lambda trial: _rank(trial, maximise))
    scores = [trial.score or 0.0 for trial in finished]
    numbers: list[Any] = [trial.number for trial in finished]
    axes[0].step(numbers, list(itertools.accumulate(scores, max if maximise else min)), where="post", color=ACCENT)
    _scatter(axes[0], numbers, scores, finished.index(best))
    axes[0].xaxis.set_major_locator(MaxNLocator(integer=True))
    axes[0].set_xlabel("trial; line = best so far")
    for axis, (key, searched) in zip(axes[1:], space.items(), strict=False):
        axis.sharey(axes[0])
        places = _place(axis, [trial.values[key] for trial in finished], searched)
        _scatter(axis, places, scores, finished.index(best))
        axis.set_xlabel(plain(key))
    for axis in axes[::columns]:
        axis.set_ylabel(plain(label))
    for axis in axes[count:]:
        axis.set_visible(False)
    return figure


def _scatter(axis: Axes, places: Sequence[float], scores: Sequence[float], best: int) -> None:
    """Draw a point a trial, the best one in the accent colour and above the others."""
    axis.scatter(places, scores, color=PLAIN, s=22, zorder=3)
    axis.scatter(places[best : best + 1], scores[best : best + 1], color=ACCENT, s=28, zorder=4)


def _place(axis: Axes, shown: Sequence[str], searched: SearchedKey) -> list[float]:
    """Return where the values stand on the axis: numbers of a range by their size, listed values side by side."""
    if searched.values is None:
        axis.set_xscale("log" if searched.log else "linear")
        return [float(text) for text in shown]
    listed = [value if isinstance(value, str) else json.dumps(value) for value in searched.values]
    axis.set_xticks(range(len(listed)), [plain(text) for text in listed], rotation=20 if len(listed) > 3 else 0)
    axis.set_xlim(-0.5, len(listed) - 0.5)
    return [float(listed.index(text)) for text in shown]


def _trial_table(ranked: Sequence[Trial], label: str) -> Table:
    keys = list(ranked[0].values)
    rows = []
    for trial in ranked:
        note = "" if trial.score is not None else f"failed: {trial.row['reason']}"
        cells = [Cell(str(trial.number), trial.number, note=note), tables.number(trial.score, 4)]
        cells += [_value(text) for text in trial.values.values()]
        cells += [tables.number(_number(trial.row["best_epoch"]), 0), tables.duration(_number(trial.row["seconds"]))]
        rows.append(cells)
    return Table(["trial", label, *keys, "best epoch", "time"], rows, best=0, caption="The best trial stands first.")


def _value(text: str) -> Cell:
    number = _number(text)
    return Cell(f"{number:.4g}", number) if number is not None else tables.text(text)


def _rank(trial: Trial, maximise: bool) -> float:
    if trial.score is None:
        return math.inf
    return -trial.score if maximise else trial.score


def _number(text: str) -> float | None:
    try:
        return tables.as_number(float(text))
    except ValueError:
        return None
