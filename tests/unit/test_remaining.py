"""The next try of a training asks for the time that is left."""

from pathlib import Path

from scan2seg.remaining import remaining_minutes

LINE = "12:00:00 train_model: INFO epoch {}/100: train loss 0.5, validation loss 0.4 (60.0 s, at most {} s left)\n"


def test_what_is_left_is_asked_for_with_a_margin_and_never_more_than_all(tmp_path: Path) -> None:
    log = tmp_path / "seed0.log"
    assert remaining_minutes(240, log) == 240
    log.write_text("12:00:00 train_model: INFO started\n")
    assert remaining_minutes(240, log) == 240
    log.write_text(
        LINE.format(1, 99 * 60) + LINE.format(50, 3000) + "12:50:10 train_model: INFO epoch 51/100: step 3 of 9\n"
    )
    assert remaining_minutes(240, log) == 75 + 10
    log.write_text(LINE.format(100, 0) + "13:40:00 train_model: INFO finished in 6000 s\n")
    assert remaining_minutes(240, log) == 240
    log.write_text(LINE.format(1, 990 * 60))
    assert remaining_minutes(240, log) == 240
