"""What Snakemake says of jobs, made readable: source files that a stage depends on are counted, not listed."""

import logging
from pathlib import PurePath


def shorten_code_lists() -> None:
    """Let Snakemake's lines on a job name its data, and its source files as one entry; the reason names them as ever.

    A job may depend on a hundred source files. They are inputs, so that an edit reruns it; but listed with each job,
    they hide the few lines that matter.
    """
    logger = logging.getLogger("snakemake.logging")
    if not any(isinstance(part, _CodeFilter) for part in logger.filters):
        logger.addFilter(_CodeFilter())


class _CodeFilter(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        inputs = getattr(record, "input", None)
        if isinstance(inputs, (list, tuple)):
            record.input = shorten(list(map(str, inputs)))
        return True


def shorten(inputs: list[str]) -> list[str]:
    """Return input files with those of the package counted in one entry at the end."""
    code = [name for name in inputs if "scan2seg" in PurePath(name).parts and "src" in PurePath(name).parts]
    rest = [name for name in inputs if name not in code]
    return [*rest, f"{len(code)} source files"] if len(code) > 1 else inputs
