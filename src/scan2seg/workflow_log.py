"""What Snakemake says of jobs, made readable: the listing of a stage's source files is named by what changed in it."""

import logging
import re

from scan2seg.code_listing import FOLDER, is_listing, newest_file

_LISTING = re.compile(rf"{re.escape(str(FOLDER))}/[^\s,]+\.txt")


def name_changed_code() -> None:
    """Let Snakemake's lines on a job leave out the listing of source files, and the reason name the newest of them."""
    logger = logging.getLogger("snakemake.logging")
    if not any(isinstance(part, _CodeFilter) for part in logger.filters):
        logger.addFilter(_CodeFilter())


class _CodeFilter(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        inputs = getattr(record, "input", None)
        if isinstance(inputs, (list, tuple)):
            record.input = [name for name in inputs if not is_listing(str(name))]
        reason = getattr(record, "reason", None)
        if isinstance(reason, str):
            record.reason = explain(reason)
        return True


def explain(reason: str) -> str:
    """Return a reason with the newest source file in place of a listing."""
    return _LISTING.sub(lambda match: newest_file(match[0]) or match[0], reason)
