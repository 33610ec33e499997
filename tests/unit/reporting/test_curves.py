"""Training curves: loss, and beside it mean IoU and accuracy, of training and validation, as history.csv has them."""

import example_report

from scan2seg.reporting.content import load_runs
from scan2seg.reporting.curves import draw_curves
from scan2seg.training.history import COLUMNS


def test_every_recorded_curve_is_drawn_once_a_run(example):
    runs = [run for run in load_runs(example[0]["runs"]) if run.scores.model == "unet"]
    figure = draw_curves([("unet", runs)])
    loss, score = figure.axes
    drawn = {line.get_label() for axis in (loss, score) for line in axis.lines}
    assert drawn == set(COLUMNS) - {"epoch", "learning_rate", "seconds"}
    assert len(score.lines) == 4 * len(runs) and score.get_title(loc="left") == "mean IoU; dashed: pixel accuracy"
    for line in [*loss.lines, *score.lines]:
        curves = [tuple(run.history.curve(line.get_label())[1]) for run in runs]
        assert tuple(line.get_ydata()) in curves
        assert (line.get_linestyle() == "--") == line.get_label().endswith("accuracy")


def test_what_an_older_run_did_not_record_is_left_out(example):
    runs = [run for run in load_runs(example[0]["runs"]) if run.scores.model == "unet"]
    for run in runs:
        for name in ("train_accuracy", "train_mean_iou", "validation_accuracy"):
            del run.history.columns[name]
    score = draw_curves([("unet", runs)]).axes[1]
    assert {line.get_label() for line in score.lines} == {"validation_mean_iou"}
    assert score.get_title(loc="left") == "mean IoU"


def test_the_example_has_the_columns_of_a_training():
    assert tuple(example_report.HISTORY) == COLUMNS
