"""What Snakemake does to outputs before and after a job, fitted to stages that write theirs whole or not at all.

Snakemake removes the outputs of a job before it submits it, so a refused submission, a killed job or a second
snakemake that wants the same thing would destroy what is finished and may be read at that moment. A stage replaces
its target by a renaming, so nothing needs to be removed first; and what it leaves keeps its time, so that a thing
which another process made is not taken for newer than what was made from it.
"""

import os
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

SINCE = "SCAN2SEG_SINCE"
"""The environment variable that tells jobs when the snakemake that decided on them started."""


def keep_outputs(workflow: Any) -> None:
    """Let outputs stay until their stage replaces them; nobody needs to unlock or to name what is incomplete.

    Owner files (``ownership.py``) take the place of Snakemake's lock of the whole folder, so that several
    experiments run in one results folder at once.
    """
    from snakemake.io import _IOFile
    from snakemake.jobs import Job

    os.environ.setdefault(SINCE, repr(time.time()))
    if getattr(Job.remove_existing_output, "keeps", False):
        return
    touch, execute = _IOFile.touch, type(workflow).execute

    # settings of the execution are there only after the Snakefile has been read
    def execute_unlocked(workflow: Any, *words: Any, **named: Any) -> Any:
        workflow.execution_settings.lock = False
        workflow.execution_settings.keep_incomplete = True
        workflow.dag_settings.force_incomplete = True
        if is_local(workflow, named["executor_plugin"]):
            # two jobs would share a GPU's memory until one ends for want of it; --resources gpu=2 asks for that
            workflow.global_resources.setdefault("gpu", 1)
        return execute(workflow, *words, **named)

    async def remove_logs(job: Any) -> None:
        for log in job.log:
            await log.remove(remove_non_empty_dir=False)

    def touch_new(file: Any, times: Any = None) -> None:
        stamp = os.path.join(file, ".snakemake_timestamp") if os.path.isdir(file) else str(file)
        if times is not None or "--touch" in sys.argv or not os.path.exists(stamp):
            touch(file, times)

    remove_logs.keeps = True  # type: ignore[attr-defined]
    Job.remove_existing_output = remove_logs
    _IOFile.touch = touch_new
    type(workflow).execute = execute_unlocked


def is_local(workflow: Any, plugin: Any) -> bool:
    """Tell whether jobs run on this machine, or would but for a dry run.

    Args:
        workflow: Snakemake's, with its settings of the execution.
        plugin: the executor; None where nothing is executed.
    """
    if plugin is None:
        return True
    settings = plugin.common_settings
    # a dry run is local whichever executor was asked for; that one is seen only by its jobs being started by threads
    return bool(settings.local_exec and not (settings.dryrun_exec and workflow.execution_settings.use_threads))


def announce(workflow: Any, folder: str, paths: Sequence[str]) -> None:
    """Let ``scan2seg clean`` see that an experiment runs and what it makes, also between its jobs.

    Args:
        workflow: Snakemake's.
        folder: of the experiment's report.
        paths: what it makes, relative to the results folder.
    """
    from snakemake.exceptions import WorkflowError

    from scan2seg.ownership import announcing

    execute = type(workflow).execute

    def execute_announced(workflow: Any, *, executor_plugin: Any, **named: Any) -> Any:
        named["executor_plugin"] = executor_plugin
        if executor_plugin.common_settings.dryrun_exec:
            return execute(workflow, **named)
        with ExitStack() as stack:
            try:
                stack.enter_context(announcing(Path(folder), paths))
            except OSError as error:
                raise WorkflowError(
                    f"{folder}: cannot be written ({error.strerror}); choose another results:"
                ) from None
            return execute(workflow, **named)

    type(workflow).execute = execute_announced
