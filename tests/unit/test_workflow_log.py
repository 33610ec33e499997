"""What Snakemake prints of a job: data files by name, and of the source files the one that changed."""

import logging
import os
from pathlib import Path

import pytest
from snakemake.logging import logger

from scan2seg import code_listing
from scan2seg.workflow_log import name_changed_code


def test_lines_on_a_job_name_the_edited_source_file_and_leave_out_the_listing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, time in (("old.py", 1000), ("edited.py", 2000)):
        Path(name).write_text("")
        os.utime(name, (time, time))
    listing = code_listing.listing_path("denoise_scan", ["scan2seg.denoising.scan"])
    Path(listing).parent.mkdir(parents=True)
    Path(listing).write_text("0123 old.py\n4567 edited.py\n")
    before = list(logger.filters)
    try:
        name_changed_code()
        name_changed_code()
        assert len(logger.filters) <= len(before) + 1
        record = logging.LogRecord(logger.name, logging.INFO, "", 0, None, None, None)
        record.input, record.reason = [listing, "c.png"], f"Updated input files: {listing}, c.png"
        assert logger.filter(record)
        assert record.input == ["c.png"]
        assert record.reason == "Updated input files: edited.py, c.png"
    finally:
        logger.filters[:] = before
