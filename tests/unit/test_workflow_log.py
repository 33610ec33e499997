"""What Snakemake prints of a job: data files by name, source files by number."""

import logging

from snakemake.logging import logger

from scan2seg.workflow_log import shorten, shorten_code_lists


def test_source_files_are_counted_and_data_named() -> None:
    code = ["src/scan2seg/storage.py", "../elsewhere/src/scan2seg/denoising/gaussian.py"]
    assert shorten(["data/a.png", *code, "results/scan2seg/b.zarr"]) == [
        "data/a.png", "results/scan2seg/b.zarr", "2 source files",
    ]  # fmt: skip
    assert shorten(["a.png"]) == ["a.png"]


def test_snakemake_s_own_logger_is_reached_once() -> None:
    before = list(logger.filters)
    try:
        shorten_code_lists()
        shorten_code_lists()
        assert len(logger.filters) <= len(before) + 1
        record = logging.LogRecord(logger.name, logging.INFO, "", 0, None, None, None)
        record.input = ["src/scan2seg/a.py", "src/scan2seg/b.py", "c.png"]
        assert logger.filter(record)
        assert record.input == ["c.png", "2 source files"]
    finally:
        logger.filters[:] = before
